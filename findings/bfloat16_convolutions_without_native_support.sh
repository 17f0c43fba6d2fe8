#!/usr/bin/env bash
# On a processor without native bfloat16, torch's bfloat16 convolutions take eight to fifty times as long.
#
# Expected: where bfloat16 has no instructions of its own, autocast to bfloat16 gains nothing: tensors
#   are converted to float32 and back, and a convolution takes about as long as in float32.
# Found: with the instructions of AVX2, a 3×3 convolution of 48 channels takes about 50 times as long in
#   bfloat16 as in float32, and about 8 times in the memory format channels_last. No warning is given.
# Meaning: a network that restores with autocast on a GPU must not keep it on a CPU without asking which
#   instructions that has (AVX512-BF16 or AMX): an image of seconds becomes one of minutes. Run times of a
#   method in bfloat16 say nothing about the method if they come from such a processor.
#
# Needs 7 GB of disk space for some minutes. Two variables limit a newer processor to AVX2. Fails if
# bfloat16 takes less than four times as long as float32 in either format.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.4.6 torch==2.14.1
export ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2
venv/bin/python - <<'PYTHON'
import time

import torch

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


print(f"torch {torch.__version__}, limited to {torch.backends.cpu.get_cpu_capability()}")
for name in ("contiguous_format", "channels_last"):
    form = {"memory_format": getattr(torch, name)}
    placed = layer.to(**form), images.to(**form)
    single, half = (seconds(*placed, half) for half in (False, True))
    print(f"  {name:17}  float32 {single:.3f} s, bfloat16 {half:.3f} s: {half / single:.0f} times as long")
    assert half > 4 * single
PYTHON
