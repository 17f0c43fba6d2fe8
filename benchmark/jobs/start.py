"""What a workflow does before it plans its jobs: pull and check the data, ask the machine.

The contents of the data decide which jobs run. So these steps are not jobs themselves: Snakemake
does not see that a job's parameters have changed if an input of the job is made again and marked
as `ancient` (findings/snakemake_ancient_input_hides_changed_params.sh).
"""

import os
import subprocess
import sys

from benchmark.data import made_sets
from benchmark.data.pull import pull_if_changed
from benchmark.jobs import records, resolve
from benchmark.jobs.gpus import check_limit
from benchmark.jobs.identity import Identities
from benchmark.results.layout import RunFolder
from benchmark.spec import config_reader
from benchmark.spec.run_config import Config


def start(
    config: Config,
    source: str,
    run: RunFolder,
    cores: int | None,
    processes: int | None,
    gpus: int | None = None,
) -> Identities:
    """Bring a run's folder to the state from which its jobs can be planned; returns their
    identities.

    Keeps the configuration as it is now; all jobs use this copy. Pulls the data if data.dvc has
    changed. Makes the data sets that are made here, if they are not there. Records what the machine
    decides at the first start. Checks and lists the images if they have changed. Puts results aside
    that were made by hand and are outdated.

    source: where the configuration comes from. cores: of this machine, or None if the jobs run on
    the nodes of a cluster. processes: of each training, or None for those of the last start. gpus:
    how many the workflow may use, or None for no limit. Raises UserError if they are too few or the
    data cannot be pulled, and SystemExit, with the message printed, if they are
    not as they should be.
    """
    config_reader.freeze(config, source, run.config)
    if "DVC_STAGE" not in os.environ:  # 'dvc repro' has the data, and locks them against a pull
        pull_if_changed(run.path / "pulled.txt")
    if made_sets.in_run(config):
        _verb("make-sets", run)
    known = resolve.recorded(run)
    if known is None or processes not in (None, known.processes):
        numbers = {"--cores": cores, "--processes": processes}
        _verb("resolve", run, *(str(x) for pair in numbers.items() if pair[1] for x in pair))
    resolved = resolve.recorded(run)
    if resolved.device == "cuda":
        message = check_limit(gpus, resolved.processes, resolved.gpus)
        print(message or "", file=sys.stderr, end="\n" if message else "")
    record = records.read(run, *records.IMAGES)
    identities = Identities(config, resolved)
    digest = identities.images().digest
    if not run.images.exists() or record is None or record.identity != digest:
        _verb("images", run)
    for file in records.put_outdated_aside(config, run, identities):
        print(f"{file} was made by hand, before something changed", file=sys.stderr)
    return identities


def _verb(name: str, run: RunFolder, *options: str) -> None:
    """Call a verb in a process of its own, because it imports what planning does not need."""
    command = [sys.executable, "-m", "benchmark", name, "--config", str(run.config), *options]
    if status := subprocess.run(command, stdout=sys.stderr).returncode:
        sys.exit(status)
