#!/usr/bin/env bash
# One busy process makes torch on a CPU several times slower, unless its threads wait passively.
#
# Expected: a training step on all cores, with one other busy process, takes at most twice as long.
# Found: torch's wheel for Linux uses GNU OpenMP. At each barrier (many in a step) the threads that are
#   ready wait in a loop. The loop keeps a core busy that the other process has to give up for the
#   thread that is awaited. The step takes several times as long, most of it spent waiting in the loop.
# Meaning: times measured on a shared machine, and trainings side by side with a thread for each core,
#   are dominated by this. OMP_WAIT_POLICY=PASSIVE, set before torch is imported, makes threads sleep;
#   what is computed stays the same. One thread for each process has no barriers at all.
#
# Needs Linux with at least two cores that nothing else uses, and 7 GB of disk space for some minutes.
# Makes a temporary folder, installs torch there, and fails if passive waiting does not make the
# step beside busy processes faster.
set -euo pipefail
folder=$(mktemp -d)
busy=()
trap 'kill "${busy[@]}" 2>/dev/null || true; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
python="$folder/venv/bin/python" script="$folder/step.py"
"$python" -m pip install --quiet --disable-pip-version-check torch==2.14.1 2>/dev/null
"$python" -c 'import torch; print("torch", torch.__version__)' 2>/dev/null
cat > "$script" <<'PYTHON'
import time

import torch
from torch import nn

torch.manual_seed(0)
torch.set_num_threads(2)
layers = [nn.Conv2d(32, 32, 3, padding=1) for _ in range(16)]
network, x = nn.Sequential(*layers), torch.rand(8, 32, 32, 32)
network(x).sum().backward()
wall, own = time.perf_counter(), time.process_time()
for _ in range(8):
    network(x).sum().backward()
print(f"{(time.perf_counter() - wall) / 8:.3f} {(time.process_time() - own) / 8:.3f}")
PYTHON
run() { env "$@" OMP_NUM_THREADS=2 taskset -c 0,1 "$python" "$script"; }
alone=$(run A=b)
for core in 0 1; do
    taskset -c "$core" "$python" -c 'while True: pass' &
    busy+=($!)
done
active=$(run A=b)
passive=$(run OMP_WAIT_POLICY=PASSIVE)
echo "seconds of a step, and of processor time in it; two threads on two cores"
echo "  alone                                 $alone"
echo "  beside a busy process on each core    $active"
echo "  the same, OMP_WAIT_POLICY=PASSIVE     $passive"
"$python" -c "import sys; sys.exit(float('${active% *}') < 1.5 * float('${passive% *}'))"
