# Snakemake runs this from the repository, in the conda environment that it has made.
set -eu
python -m pip install --disable-pip-version-check --no-deps --require-hashes -r requirements/run.lock
