#!/usr/bin/env bash
# With AVX2 alone, torch's convolutions in bfloat16 take eight to fifty times as long as in float32.
#
# Expected: where bfloat16 has no instructions of its own, autocast to bfloat16 gains nothing: tensors
#   are converted to float32 and back, and a convolution takes about as long as in float32.
# Found: a 3×3 convolution of 48 channels, forward, one thread, with the instructions of AVX2: about 50
#   times as long in bfloat16 as in float32, and about 8 times in the memory format channels_last. With
#   AVX-512 without its instructions for bfloat16: 3 to 5 times. No warning is given. (On an Intel Xeon
#   with AMX, limited by oneDNN's variable; without the limit bfloat16 takes half to a third as long.)
# Meaning: a network that restores with autocast on a GPU must not keep it on a CPU without asking which
#   instructions that has: an image of seconds becomes one of minutes. Run times of a method in bfloat16
#   say nothing about the method if they come from such a processor.
#
# Needs an x86-64 processor with AVX2, and 7 GB of disk space for some minutes. Fails if bfloat16 takes
# less than four times as long as float32 with AVX2, or less than twice as long with AVX-512.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.4.6 torch==2.14.1
cat > times.py <<'PYTHON'
import os
import time

import torch

limit = os.environ["ONEDNN_MAX_CPU_ISA"]
able = torch.cpu.get_capabilities()
if limit == "AVX512_CORE" and not (able["avx512_bw"] and able["avx512_vl"] and able["avx512_dq"]):
    print(f"  {limit}: not on this processor")
    raise SystemExit
torch.set_num_threads(1)
torch.manual_seed(0)
layer = torch.nn.Conv2d(48, 48, 3, padding=1)
images = torch.randn(16, 48, 64, 64)


def seconds(layer, images, half):
    times = []
    for _ in range(4):
        start = time.process_time()
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=half):
            layer(images)
        times.append(time.process_time() - start)
    return min(times[1:])


for name in ("contiguous_format", "channels_last"):
    form = {"memory_format": getattr(torch, name)}
    placed = layer.to(**form), images.to(**form)
    single, half = (seconds(*placed, half) for half in (False, True))
    ratio = half / single
    print(f"  {limit:11}  {name:17}  float32 {single:.3f} s, bfloat16 {half:.3f} s: {ratio:.1f} times")
    assert ratio > (4 if limit == "AVX2" else 2)
PYTHON
echo "torch $(venv/bin/python -c 'import torch; print(torch.__version__)'), oneDNN limited to"
for limit in AVX2 AVX512_CORE; do
    ONEDNN_MAX_CPU_ISA=$limit venv/bin/python times.py
done
