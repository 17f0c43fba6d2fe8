"""A `python` for tests that has torch, Snakemake and other packages imported already.

Importing torch takes seconds, and a workflow starts a process for each job. `python()` is the path
of a program that takes the arguments of Python. For `-m MODULE`, with one of MODULES, it asks a
server to fork. The fork runs the module with the program's working directory, environment and
standard streams. With other arguments the program starts Python itself. The server has imported no
module of the suite, so that each fork reads the files of its own working directory.

Tests of the command line start Python itself: tests/cli.
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
from contextlib import suppress
from functools import cache
from pathlib import Path

MODULES = ("benchmark", "snakemake", "cProfile")
PACKAGES = (
    "accelerate", "cv2", "lpips", "matplotlib.figure", "pandas", "PIL.Image", "pydantic",
    "pytorch_optimizer", "rich", "safetensors.torch", "scipy.stats", "seaborn", "snakemake.cli",
    "torch", "torch._dynamo", "torch.utils.tensorboard", "tqdm", "typer", "yaml",
)  # fmt: skip
# -I and -S: it starts in milliseconds.
PROGRAM = """\
#!{python} -IS
import json, os, signal, socket, sys

arguments = sys.argv[1:]
if arguments[:1] != ["-m"] or arguments[1] not in {modules}:
    os.execv({python!r}, [{python!r}, *arguments])
request = {{"arguments": arguments[1:], "folder": os.getcwd(), "environment": dict(os.environ)}}
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
    """The path of the program. Its server ends with this process."""
    folder = Path(tempfile.mkdtemp(prefix="unweather-python-"))
    program, address = folder / "python", folder / "socket"
    text = PROGRAM.format(python=sys.executable, modules=MODULES, address=str(address))
    program.write_text(text, encoding="utf-8")
    program.chmod(0o755)
    command = [sys.executable, __file__, str(program), str(address)]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    server.stdout.read(1)  # it listens
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
            os.killpg(process, signal.SIGKILL)

    for file in files:
        os.close(file)
    threading.Thread(target=wait_for_program, daemon=True).start()
    _, status = os.waitpid(process, 0)
    with suppress(BrokenPipeError):
        connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _run(request: dict, files: list[int], program: str) -> None:
    """What Python does for `-m MODULE`, in this process, which it ends."""
    os.setsid()
    for stream, file in enumerate(files):
        os.dup2(file, stream)
        os.close(file)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.executable, sys.path[0] = program, request["folder"]
    module, *arguments = request["arguments"]
    sys.argv = [module, *arguments]
    status = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
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


if __name__ == "__main__":
    serve(*sys.argv[1:])
