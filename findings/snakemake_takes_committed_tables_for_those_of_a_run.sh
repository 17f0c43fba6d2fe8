#!/usr/bin/env bash
# Snakemake takes a table that came with a clone for the result of a run that never took place.
#
# Expected: in a fresh clone with a committed table of results, a call with another configuration makes
#   the table again: rerun triggers are 'params', 'code' and 'input', and of the jobs before it nothing
#   is there. At the least, a job runs if one of its declared outputs is missing.
# Found: whether parameters have changed is known only from Snakemake's own records, which a clone does
#   not have. Missing inputs that another rule can make do not count either. And a missing output counts
#   only if another job that is planned, or the target, asks for that very file: so the table stays,
#   although a file that the same job writes beside it is missing. Snakemake makes the board from the
#   old table and exits with 0.
# Meaning: a benchmark that keeps its tables in git trains and restores nothing when a reader calls its
#   workflow, and shows the committed scores as those of this machine and of this configuration. A file
#   that is not in git has to be an output beside the table, and an input of the job that reads it.
#
# Fails if Snakemake makes the table in one of the first two calls, or does not make it in the third.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check snakemake==9.27.1
cat > Snakefile <<'SNAKEFILE'
rule board:
    input:
        "scores.csv",
        [config["beside"]] if config.get("asked") else [],
    output:
        touch("board.txt"),
rule restore:
    output:
        touch("restored.txt"),
    params:
        steps=config["steps"],
rule score:
    input:
        "restored.txt",
    output:
        "scores.csv",
        [config["beside"]] if "beside" in config else [],
    params:
        steps=config["steps"],
    shell:
        "echo {params.steps} steps > scores.csv; touch {output}"
SNAKEFILE
run() { venv/bin/snakemake --cores 1 --quiet all --config "$@" > log.txt 2>&1 || { cat log.txt >&2; exit 1; }; }
in_clone() { # of scores.csv alone, as git has it
    rm -rf .snakemake board.txt restored.txt made.json
    echo "4 steps" > scores.csv
    run "$@"
    cat scores.csv
}
first=$(in_clone steps=10)
second=$(in_clone steps=10 beside=made.json)
third=$(in_clone steps=10 beside=made.json asked=yes)
echo "snakemake $(venv/bin/snakemake --version), a clone whose scores.csv is of 4 steps, called with 10"
echo "  the table alone                                        $first"
echo "  the job also writes a file that is missing             $second"
echo "  and the next job asks for that file                    $third"
test "$first, $second, $third" = "4 steps, 4 steps, 10 steps"
