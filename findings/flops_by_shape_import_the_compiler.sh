#!/usr/bin/env bash
# Counting FLOPs on torch's device `meta` takes seconds: torch imports its compiler for it.
#
# Expected: the device `meta` computes nothing, so FlopCounterMode on meta tensors is the cheapest way
#   to count what a network takes, far cheaper than to run it.
# Found: many operations on meta tensors (relu, padding, group norm) go through Python functions that
#   are marked "not to be compiled", and the first call of such a function imports torch._dynamo, and
#   with it sympy and more. For a small image the import takes far longer than the network. The counter
#   itself is marked so too; with its mark set by hand, as below, a count on real tensors of a CPU
#   imports nothing, but one on meta tensors still does.
# Meaning: a program that restores a few images and reports their FLOPs spends most of its time on the
#   count. Count in a run that is needed anyway, such as the warm-up; keep `meta` for sizes that cannot
#   be computed, and for counts of memory.
#
# Needs 7 GB of disk space for some minutes. Makes a temporary folder, installs torch there, and fails
# if the count on meta tensors does not import the compiler, or that on real ones does.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.14.1 numpy==2.4.6 2>/dev/null
cat > "$folder/count.py" <<'PYTHON'
import sys
import time

import torch
from torch import nn
from torch.utils import flop_counter

# What torch does after the import of its compiler: the counter is not to be compiled.
inner = flop_counter._FlopCounterMode.__torch_dispatch__.__wrapped__
vars(inner).setdefault("__dynamo_disable", inner)

place = sys.argv[1]
network = nn.Sequential(
    nn.Conv2d(3, 16, 3, padding=1, padding_mode="replicate"), nn.ReLU(), nn.Conv2d(16, 3, 3, padding=1)
).to(place)
image = torch.zeros(1, 3, 128, 128, device=place)
start = time.perf_counter()
with torch.inference_mode(), flop_counter.FlopCounterMode(display=False) as counter:
    network(image)
seconds = time.perf_counter() - start
print(f"{place}: {counter.get_total_flops()} FLOPs in {seconds:.2f} s,", end=" ")
print("compiler imported" if "torch._dynamo" in sys.modules else "compiler not imported")
PYTHON
"$folder/venv/bin/python" -c 'import torch; print("torch", torch.__version__)'
real=$("$folder/venv/bin/python" "$folder/count.py" cpu)
shapes=$("$folder/venv/bin/python" "$folder/count.py" meta)
printf '%s\n%s\n' "$real" "$shapes"
[[ $real == *"compiler not imported" && $shapes == *"compiler imported" ]]
[[ $(cut -d' ' -f2 <<< "$real") == $(cut -d' ' -f2 <<< "$shapes") ]]
