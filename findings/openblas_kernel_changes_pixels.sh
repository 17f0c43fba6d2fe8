#!/usr/bin/env bash
# The same NumPy wheel makes other pixels on another processor.
#
# Expected: with one version of NumPy, one seed and one picture, simulated weather is the same file
#   on every x86-64 machine, so that its checksum can name it.
# Found: OpenBLAS, inside NumPy's wheel, chooses its kernel by the processor. The kernels add up a
#   product in another order, so a matrix product of float32 has other last bits. After rounding to
#   8 bits a few pixels of a hazy picture differ by one level.
# Meaning: two people who make "the same" degraded test set on machines with and without AVX-512 score
#   different inputs, and a checksum calls one of them damaged. Ship the pictures, or fix the kernel:
#   OPENBLAS_CORETYPE=Haswell runs on every processor with AVX2.
#
# Needs an x86-64 processor with AVX2. Makes a temporary folder, installs NumPy there, and
# fails if the kernels agree in all pixels.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 2>/dev/null
cat > "$folder/haze.py" <<'PYTHON'
import sys

import numpy as np

rng = np.random.default_rng(0)
height = width = 512
clean = rng.random((height, width, 3), dtype=np.float32)
# A depth map of soft regions, as simulators make it: a wave along a direction in the space of 64
# features of each pixel. One matrix product, float32.
features = rng.random((height * width, 64), dtype=np.float32)
direction = rng.normal(0, 10, size=(64, 1)).astype(np.float32)
depth = (0.5 + 0.5 * np.sin(features @ direction)).reshape(height, width, 1)
transmission = np.exp(-2 * depth)
hazy = clean * transmission + np.float32(0.9) * (1 - transmission)
np.save(sys.argv[1], np.rint(hazy * 255).astype(np.uint8))
PYTHON
for kernel in Sandybridge Haswell; do
    OPENBLAS_CORETYPE=$kernel OPENBLAS_NUM_THREADS=1 \
        "$folder/venv/bin/python" "$folder/haze.py" "$folder/$kernel.npy"
done
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys

import numpy as np

a, b = (np.load(f"{sys.argv[1]}/{k}.npy").astype(int) for k in ("Sandybridge", "Haswell"))
differ = int((a != b).sum())
print(f"NumPy {np.__version__}: of {a.size} values {differ} differ between the kernels "
      f"Sandybridge and Haswell, by at most {abs(a - b).max()} level")
sys.exit(differ == 0)
PYTHON
