"""How the command line is called, and what it sets for its verbs: environment variables, memory.

Nothing here needs an installed package.
"""

import os
import sys
import traceback
from pathlib import Path
from typing import Literal, NoReturn

from benchmark.core.heap import keep_freed_memory

# How this program is called: by the command of an installed package, or from a checkout.
PROGRAM = "unweather" if Path(sys.argv[0]).stem == "unweather" else "python -m benchmark"
PROJECT = "UNWEATHER_PROJECT"  # --project; benchmark.core.paths reads it when it is imported
BesideOthers = Literal["always", "never", "if busy"]
DATA = "UNWEATHER_DATA"  # --data


def prepare(beside_others: BesideOthers, networks: bool) -> None:
    """Set up this process for a verb, before torch is imported: its threads and its memory.

    beside_others: see `wait_asleep`. networks: whether it evaluates networks for long; then it
    keeps the memory that it frees.
    """
    wait_asleep(beside_others)
    if networks:
        keep_freed_memory()


def keep_caches(folder: Path) -> None:
    """Let libraries keep their caches in `folder` if the user has no home that can be written to.

    matplotlib, torch and Snakemake, and programs that these start, read the variables.
    """
    home = Path(os.path.expanduser("~"))
    if home.is_dir() and os.access(home, os.W_OK):
        return
    for variable, name in (("XDG_CACHE_HOME", ""), ("MPLCONFIGDIR", "matplotlib")):
        os.environ.setdefault(variable, str(folder / name))


def wait_asleep(beside_others: BesideOthers) -> None:
    """Let the threads of torch sleep while they wait for each other, where that is faster.

    beside_others: whether this process computes beside others. `if busy`: look whether
    it does now.

    They wait many times in an evaluation of a network. By default they wait in a loop, which is
    fastest if the process has its cores to itself. If it has not, the loop keeps from the processor
    the very thread that is awaited (docs/choices.md, "A busy machine"). A workflow gives all cores
    to each job that restores, and its trainings run side by side; a photo may be restored on a
    quiet machine or on a busy one. The results are the same bits either way.
    """
    if beside_others == "always" or (beside_others == "if busy" and _others_at_work()):
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _others_at_work(seconds: float = 0.1) -> bool:
    """Whether other processes keep half a core or more busy, during so much time.

    False where this cannot be measured: restoring photos needs no psutil, which only runs install.
    """
    try:
        import psutil
    except ModuleNotFoundError:
        return False
    return psutil.cpu_percent(seconds) / 100 * (psutil.cpu_count() or 1) >= 0.5


def exit_without_package(error: ModuleNotFoundError) -> NoReturn:
    """End with status 1 and a sentence on the package that is missing and how to install it.

    Raises the error again if the module is the suite's own, or if a method asked for it: the
    traceback names the method's file.
    """
    importing = [Path(frame.filename) for frame in traceback.extract_tb(error.__traceback__)]
    of_method = any("methods" in path.parts for path in importing)
    if of_method or (error.name or "").startswith(("benchmark", "methods")):
        raise error
    how = (
        "For runs: 'pip install \"unweather[run]\"'."
        if PROGRAM == "unweather"
        else "Make the environment with 'make setup' and activate it with 'source "
        ".venv/bin/activate', or install the packages with 'pip install \".[run]\"'."
    )
    sys.exit(
        f"error: this needs the package {error.name}, which {sys.executable} does not have. {how}"
    )
