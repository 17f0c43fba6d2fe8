#!/bin/bash
# A first look at a GPU: how fast the full networks train and restore, and whether results repeat.
# Prints a table, a row when it is measured, and ends within 8 minutes; what does not fit in is left
# out. Without a GPU it measures the CPU. Needs data/ (`python -m benchmark pull`).
#
#   bash tests/campaigns/gpu.sh                  all parts, 8 minutes
#   bash tests/campaigns/gpu.sh --minutes 15     with a training of the main pair in the time left
#   bash tests/campaigns/gpu.sh --tiny           tiny networks and images: does the script work?
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
exec "${PYTHON:-python}" -m tests.campaigns.gpu "$@"
