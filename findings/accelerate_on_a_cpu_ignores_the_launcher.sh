#!/usr/bin/env bash
# Under torchrun on a machine without a GPU, accelerate trains N separate networks and says nothing.
#
# Expected: `torchrun --nproc_per_node 2` with accelerate's Accelerator is one training in two
#   processes, with NCCL on GPUs and with gloo on a CPU.
# Found: without a GPU, and without Accelerator(cpu=True) or ACCELERATE_USE_CPU=1, each process has
#   num_processes 1 and is its own main process. Both train on the same data, no gradient is averaged,
#   and both write the same files. No warning, exit status 0.
# Meaning: a test of "several GPUs" on a machine without any tests nothing, and a run that was started
#   for two processes on a CPU costs twice as much for the result of one. Pass
#   cpu=not torch.cuda.is_available(), and compare num_processes with WORLD_SIZE.
#
# Needs 7 GB of disk space for some minutes. Makes a temporary folder, installs torch and accelerate
# there, and fails if the two processes know of each other without cpu=True, or do not with it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    torch==2.14.1 accelerate==1.15.0 2>/dev/null
cat > "$folder/train.py" <<'PYTHON'
import os
import sys

import torch
from accelerate import Accelerator
from torch import nn

accelerator = Accelerator(**({"cpu": True} if sys.argv[1] == "cpu=True" else {}))
network = nn.Linear(1, 1, bias=False)
nn.init.ones_(network.weight)
network = accelerator.prepare(network)
# Process 0 has the input 1, process 1 the input 3: the gradient of one training is their mean, 2.
accelerator.backward(network(torch.tensor([[1.0 + 2 * int(os.environ["RANK"])]])).sum())
gradient = next(network.parameters()).grad.item()
# One write: lines of two processes must not mix.
os.write(1, f"{accelerator.num_processes} processes, gradient {gradient:g}\n".encode())
PYTHON
export CUDA_VISIBLE_DEVICES= OMP_NUM_THREADS=1
run() {
    "$folder/venv/bin/torchrun" --nproc_per_node 2 "$folder/train.py" "$1" 2>/dev/null | sort
}
plain=$(run default)
cpu=$(run cpu=True)
"$folder/venv/bin/python" -c \
    'import accelerate, torch; print("torch", torch.__version__, "accelerate", accelerate.__version__)'
printf 'Accelerator(), in each of two processes:\n%s\n' "$plain"
printf 'Accelerator(cpu=True), in each of two processes:\n%s\n' "$cpu"
[[ $plain == $'1 processes, gradient 1\n1 processes, gradient 3' ]]
[[ $cpu == $'2 processes, gradient 2\n2 processes, gradient 2' ]]
