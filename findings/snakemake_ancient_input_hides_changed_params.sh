#!/usr/bin/env bash
# Snakemake misses that a job's parameters changed if an 'ancient' input of the job is made again.
#
# Expected: a job runs again when its parameters have changed (rerun trigger 'params'), whatever else
#   happens. An input marked ancient() only says that its own time of change does not count.
# Found: if the job that makes the ancient input has a reason to run, Snakemake does not look at the
#   reasons of the jobs below it. It relies on them running because of their new input, and then takes
#   them out again because that input is ancient. The job with changed parameters does not run. The
#   next call, in which the input is up to date, runs it.
# Meaning: a list of test images that is made again, marked ancient so that a new data set does not
#   restore the others again, hides a changed checksum of the images, new training photographs, or new
#   training settings. A board then shows scores of the old ones until the workflow is called twice.
#
# Fails if Snakemake runs the job at once.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check snakemake==9.27.1
cat > Snakefile <<'SNAKEFILE'
rule all:
    input:
        "restored.txt",
rule images:
    output:
        "images.txt",
    params:
        images=config["images"],
    shell:
        "echo {params.images} > {output}"
rule restore:
    input:
        ancient("images.txt"),
    output:
        "restored.txt",
    params:
        images=config["images"],
    shell:
        "echo {params.images} > {output}"
SNAKEFILE
run() { venv/bin/snakemake --cores 1 --quiet all --config images="$1" > log.txt 2>&1 || { cat log.txt; exit 1; }; }
run old
run new
first="list: $(cat images.txt), restored: $(cat restored.txt)"
run new
second="list: $(cat images.txt), restored: $(cat restored.txt)"
echo "snakemake $(venv/bin/snakemake --version), parameter 'images' of both jobs from old to new"
echo "  after the first call    $first"
echo "  after the second call   $second"
test "$first" = "list: new, restored: old" && test "$second" = "list: new, restored: new"
