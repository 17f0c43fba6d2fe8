"""Plans runs in forked processes, which are spared the seconds that importing Snakemake takes.

Each line of its input is a JSON request, each line of its output the answer.

    {"folder": FOLDER, "options": ["--config", ...], "count": false}
    {"code": STATUS, "output": TEXT, "calls": N}

`options` are those of a dry run in the folder. If `count` is true, `calls` is the number of
function calls that the plan took.
"""

import cProfile
import json
import os
import pstats
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

COMMAND = ("--cores", "all", "--dry-run")


class Planner:
    """The client: starts the process and asks it."""

    def __init__(self, process: subprocess.Popen):
        self._process = process

    def plan(self, folder: Path, *options: str, count: bool = False) -> dict:
        """The answer to one request: `code`, `output` and `calls`."""
        request = {"folder": str(folder), "options": options, "count": count}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@contextmanager
def started():
    """A planner, until the block ends."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, __file__], text=True, **pipes) as process:
        yield Planner(process)
        process.stdin.close()


def answer(request: dict) -> dict:
    """Plan in a fork; how it ended and what it printed."""
    with tempfile.TemporaryFile() as output, tempfile.NamedTemporaryFile() as calls:
        process = os.fork()
        if process == 0:
            try:
                child(request, output.fileno(), Path(calls.name))
            finally:
                os._exit(70)
        _, status = os.waitpid(process, 0)
        output.seek(0)
        return {
            "code": os.waitstatus_to_exitcode(status),
            "output": output.read().decode(errors="replace"),
            "calls": int(Path(calls.name).read_text() or 0),
        }


def child(request: dict, output: int, calls: Path) -> None:
    """What `python -m snakemake` does in the folder; leaves with its status."""
    from snakemake import cli

    for stream in (1, 2):
        os.dup2(output, stream)
    os.chdir(request["folder"])
    sys.path[0] = request["folder"]
    code, profile = 0, cProfile.Profile()
    if request["count"]:
        profile.enable()
    try:
        cli.main([*COMMAND, *request["options"]])
    except SystemExit as leaving:
        code = leaving.code
    profile.disable()
    if request["count"]:
        calls.write_text(str(pstats.Stats(profile).total_calls))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main() -> None:
    from snakemake import cli  # noqa: F401

    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
