"""A `python` for tests that has torch, Snakemake, DVC and other packages imported already.

Importing torch takes seconds, and a workflow starts a process for each job. `python()` is the path
of a program that takes the arguments of Python. For `-m MODULE`, `-c CODE` and a script it asks a
server to fork. The fork runs them with the program's working directory, environment and standard
streams. The server has imported no module of the suite, so that each fork reads the files of its
own working directory.

Where it counts what is imported, tests start Python itself (`sys.executable`).
"""

import atexit
import importlib
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
import types
from contextlib import suppress
from functools import cache
from pathlib import Path

SERVED = "UNWEATHER_TEST_PYTHON"  # the program's path, for the processes that a test process starts
PACKAGES = (
    "accelerate", "cv2", "docutils.core", "dvc.cli.parser", "dvc.data_cloud", "dvc.repo",
    "dvc.repo.index", "dvc.stage.cache", "dvc.utils.strictyaml", "dvc_data.index",
    "fsspec.asyn", "jinja2", "lpips", "matplotlib.figure",
    "matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg", "pandas",
    "PIL.Image", "PIL.PngImagePlugin", "PIL.JpegImagePlugin", "pydantic",
    "pytorch_optimizer", "requests", "rich.console", "rich.markdown", "rich.table", "s3fs",
    "safetensors.torch", "scikit_posthocs", "scipy.stats", "scmrepo.git", "seaborn",
    "smart_open", "snakemake.cli", "snakemake.report.html_reporter", "snakemake.workflow",
    "yte", "statsmodels.stats.multitest", "torch", "torch._dynamo", "torch.distributed.run",
    "torch.utils.tensorboard", "tqdm", "typer", "yaml",
)  # fmt: skip
# -I and -S: it starts in milliseconds.
PROGRAM = """\
#!{python} -IS
import json, os, signal, socket, sys

arguments = sys.argv[1:]
while arguments[0] == "-u":  # torchrun; the forks' errors are never buffered
    del arguments[0]
if arguments[0].startswith("-") and arguments[0] not in ("-m", "-c"):
    os.execv({python!r}, [{python!r}, *arguments])
request = {{"arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ)}}
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
socket.send_fds(server, [b"+"], [0, 1, 2])
server.sendall(json.dumps(request).encode() + b"\\n")
status = server.recv(16)
if not status:
    sys.exit("tests/preloaded.py: the server has ended")
if int(status) < 0:
    os.kill(os.getpid(), -int(status))
sys.exit(int(status))
"""


@cache
def python() -> str:
    """The path of the program. Its server ends with this process.

    The processes that this process starts, pytest-xdist's among them, use the same server.
    """
    if SERVED in os.environ:
        return os.environ[SERVED]
    folder = Path(tempfile.mkdtemp(prefix="unweather-python-"))
    program, address = folder / "python", folder / "socket"
    text = PROGRAM.format(python=sys.executable, address=str(address))
    program.write_text(text, encoding="utf-8")
    program.chmod(0o755)
    command = [sys.executable, __file__, str(program), str(address)]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    server.stdout.read(1)  # it listens
    os.environ[SERVED] = str(program)
    atexit.register(_stop, server, folder)
    return str(program)


def _stop(server: subprocess.Popen, folder: Path) -> None:
    server.terminate()
    server.wait()
    shutil.rmtree(folder)


def serve(program: str, address: str) -> None:
    """Fork for each request, until standard input is closed."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(64)
    os.write(1, b"+")
    for package in PACKAGES:
        with suppress(ModuleNotFoundError):
            importlib.import_module(package)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # forks that have ended are removed
    while 0 not in select.select([listener, 0], [], [])[0]:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _answer(connection, program)
        connection.close()


def _answer(connection: socket.socket, program: str) -> None:
    """Run a request in a fork and reply with its exit status; kill it if the program is killed."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, files, *_ = socket.recv_fds(connection, 1, 3)
    request = json.loads(connection.makefile().readline())
    process = os.fork()
    if process == 0:
        connection.close()
        _run(request, files, program)

    def wait_for_program() -> None:
        if not connection.recv(1):
            with suppress(ProcessLookupError):  # both have ended
                os.killpg(process, signal.SIGKILL)

    for file in files:
        os.close(file)
    threading.Thread(target=wait_for_program, daemon=True).start()
    _, status = os.waitpid(process, 0)
    with suppress(BrokenPipeError):
        connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _run(request: dict, files: list[int], program: str) -> None:
    """What Python does with these arguments, in this process, which it ends."""
    os.setsid()
    for stream, file in enumerate(files):
        os.dup2(file, stream)
        os.close(file)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.executable = program
    status = 0
    try:
        _execute(request["arguments"], request["environment"].get("PYTHONPATH", ""))
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
        if isinstance(leaving.code, str):
            print(leaving.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        status = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _execute(arguments: list[str], path: str) -> None:
    """Run `-m MODULE ...`, `-c CODE ...` or `SCRIPT ...`; `path` is PYTHONPATH."""
    first, *rest = arguments
    named = first in ("-m", "-c")
    sys.path[:1] = [os.getcwd() if named else str(Path(first).resolve().parent)]
    sys.path[1:1] = [folder for folder in path.split(os.pathsep) if folder]
    sys.argv = arguments if not named else [first, *rest[1:]]
    if first == "-m":
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif first == "-c":
        main = sys.modules["__main__"] = types.ModuleType("__main__")
        exec(rest[0], main.__dict__)
    else:
        runpy.run_path(first, run_name="__main__")


if __name__ == "__main__":
    serve(*sys.argv[1:])
