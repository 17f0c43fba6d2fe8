"""Environment variables that the command line sets for its verbs and their processes."""

import os
from pathlib import Path

PROJECT = "UNWEATHER_PROJECT"  # --project; benchmark.core.paths reads it when it is imported
DATA = "UNWEATHER_DATA"  # --data


def keep_caches(folder: Path) -> None:
    """Let libraries keep their caches in `folder` if the user has no home that can be written to.

    matplotlib, torch and Snakemake, and programs that these start, read the variables.
    """
    home = Path(os.path.expanduser("~"))
    if home.is_dir() and os.access(home, os.W_OK):
        return
    for variable, name in (("XDG_CACHE_HOME", ""), ("MPLCONFIGDIR", "matplotlib")):
        os.environ.setdefault(variable, str(folder / name))
