#!/usr/bin/env bash
# An evaluation under torch.no_grad() of a network in DistributedDataParallel waits for the other processes.
#
# Expected: without a gradient there is nothing to average, so each process may evaluate the network as
#   often as it likes: for a teacher's target, a target that the network makes itself (consistency and
#   shortcut models, training on own samples), or a validation image.
# Found: if the module has a buffer, even a constant one such as the frequencies of a time embedding, the
#   first process sends it to all others in the evaluation, under no_grad() too. All processes must then
#   evaluate the network equally often, in the same order as their averages of gradients. If a share of
#   the batch is rounded to one pair here and none there, the processes take one message for another: with
#   gloo they end with an error about sizes in the second step, which names neither the network nor the
#   buffer.
# Meaning: whoever trains a diffusion model that learns from itself on several GPUs passes
#   broadcast_buffers=False (accelerate: DistributedDataParallelKwargs), or evaluates network.module.
#
# Needs 7 GB of disk space for some minutes. Makes a temporary folder, installs torch there, and fails if
# the buffer of the second process stays its own by default, or does not with broadcast_buffers=False.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.14.1 2>/dev/null
cat > "$folder/evaluate.py" <<'PYTHON'
import os
import sys

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

distributed.init_process_group("gloo")
rank = distributed.get_rank()
network = nn.Conv2d(3, 3, 1)
network.register_buffer("constant", torch.zeros(1))
parallel = DistributedDataParallel(network, broadcast_buffers=sys.argv[1] == "True")
network.constant.fill_(rank)  # so that one sees where it comes from
with torch.no_grad():
    parallel(torch.zeros(1, 3, 4, 4))
# One write: lines of two processes must not mix.
os.write(1, f"process {rank}: its buffer is that of process {network.constant.item():.0f}\n".encode())
distributed.destroy_process_group()
PYTHON
export CUDA_VISIBLE_DEVICES= OMP_NUM_THREADS=1
run() {
    "$folder/venv/bin/torchrun" --nproc_per_node 2 "$folder/evaluate.py" "$1" 2>/dev/null | sort
}
default=$(run True)
without=$(run False)
"$folder/venv/bin/python" -c 'import torch; print("torch", torch.__version__)' 2>/dev/null
printf 'After an evaluation under no_grad(), DistributedDataParallel(network), broadcast_buffers=True as by default:\n%s\n' "$default"
printf 'DistributedDataParallel(network, broadcast_buffers=False):\n%s\n' "$without"
[[ $default == *'process 1: its buffer is that of process 0' ]]
[[ $without == *'process 1: its buffer is that of process 1' ]]
