#!/usr/bin/env bash
# OpenCV reads a 16-bit grey TIFF as its negative, the 8-bit one right.
#
# Expected: a grey TIFF with PhotometricInterpretation 0 (WhiteIsZero: the largest value is black, as
#   scanners and microscopes write it) looks the same at 8 and at 16 bits.
# Found: cv2.imread inverts the 8-bit file, as TIFF 6.0 asks, and returns the 16-bit one as it is stored.
# Meaning: a loader that takes OpenCV for 16-bit files, because Pillow drops the low byte of 16-bit
#   colour, reads such photographs as negatives, without a warning. Look at tag 262.
#
# Makes a temporary folder, installs OpenCV and tifffile there, and fails if both files are read alike.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  opencv-python-headless==5.0.0.93 tifffile==2026.3.3 2>/dev/null
cat > "$folder/read.py" <<'PYTHON'
import sys

import cv2
import numpy as np
import tifffile

path = sys.argv[1]
found = {}
for kind in (np.uint8, np.uint16):
    most = np.iinfo(kind).max
    black_left = np.tile(np.linspace(0, most, 64).astype(kind), (32, 1))
    tifffile.imwrite(path, most - black_left, photometric="miniswhite")
    read = cv2.imread(path, cv2.IMREAD_UNCHANGED)
    found[kind.__name__] = "right" if read[0, 0] < read[0, -1] else "a negative"
    print(f"OpenCV {cv2.__version__}, {kind.__name__}: {found[kind.__name__]}")
sys.exit(found["uint8"] == found["uint16"])
PYTHON
"$folder/venv/bin/python" "$folder/read.py" "$folder/grey.tif"
