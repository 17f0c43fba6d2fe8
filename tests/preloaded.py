"""A `python` for tests that has torch, Snakemake, DVC and other packages imported already.

Importing torch takes seconds, and a workflow starts a process for each job. `python()` is the path
of a program that takes the arguments of Python. For `-m MODULE`, `-c CODE` and a script it asks a
server to fork. The fork runs them with the program's working directory, environment and standard
streams. The server has imported no module of the suite, so that each fork reads the files of its
own working directory.

Where it counts what is imported, tests start Python itself (`sys.executable`).
"""

import atexit
import gc
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
import traceback
import types
import weakref
from contextlib import suppress
from functools import cache
from pathlib import Path

SERVED = "UNWEATHER_TEST_PYTHON"  # the program's path, for the processes that a test process starts
# What each server has imported. Forks without torch are faster: a fork copies the page tables.
PACKAGES = {
    "tools": (
        "cv2", "docutils.core", "dvc.cachemgr", "dvc.cli.parser", "dvc.data_cloud", "dvc.lock",
        "dvc.repo", "dvc.repo.artifacts", "dvc.repo.datasets", "dvc.repo.fetch",
        "dvc.repo.metrics", "dvc.repo.params", "dvc.repo.plots", "dvc.repo.push",
        "dvc.repo.stage", "dvc.repo.worktree", "dvc.rwlock", "dvc.stage.cache",
        "dvc.utils.strictyaml", "dvc_data.hashfile.status", "dvc_data.index",
        "dvc_data.index.checkout", "dvc_data.index.push", "fsspec.asyn", "jinja2", "pandas",
        "PIL.ImageCms", "PIL.TiffImagePlugin", "platformdirs", "pyarrow.pandas_compat", "pydantic",
        "requests", "rich.console", "rich.markdown", "rich.table", "ruamel.yaml", "s3fs",
        "scmrepo.git", "scmrepo.noscm", "smart_open", "snakemake.cli", "snakemake.profiles",
        "snakemake.report.html_reporter", "snakemake.storage", "snakemake.workflow", "tqdm",
        "typer", "yaml", "yte",
    ),
    "torch": (
        "accelerate", "lpips", "matplotlib.figure", "matplotlib.backends.backend_agg",
        "matplotlib.backends.backend_svg", "PIL.JpegImagePlugin",
        "PIL.PngImagePlugin", "pytorch_optimizer", "safetensors.torch", "scikit_posthocs",
        "scipy.stats", "seaborn", "statsmodels.stats.multitest", "torch", "torch._dynamo",
        "torch.distributed.run", "torch.utils.tensorboard",
    ),
}  # fmt: skip
# Huge pages have smaller page tables (Linux). The jobs of a clone share its bytecode.
SERVERS = {
    "PYTHONMALLOC": "malloc",
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    "PYTHONDONTWRITEBYTECODE": "",
}
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
server.connect({addresses!r}["tools" if {{"snakemake", "dvc"}} & {{*arguments}} else "torch"])
socket.send_fds(server, [b"+"], [0, 1, 2])
server.sendall(json.dumps(request).encode() + b"\\n")
for number in (signal.SIGINT, signal.SIGTERM):
    if signal.getsignal(number) != signal.SIG_IGN:
        signal.signal(number, lambda number, _: server.sendall(bytes([number])))
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
    program = folder / "python"
    addresses = {kind: str(folder / kind) for kind in PACKAGES}
    text = PROGRAM.format(python=sys.executable, addresses=addresses)
    program.write_text(text, encoding="utf-8")
    program.chmod(0o755)
    server = subprocess.Popen(
        [sys.executable, __file__, str(program), *addresses.values()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **SERVERS},
        start_new_session=True,
    )
    server.stdout.read(1)  # it listens
    os.environ[SERVED] = str(program)
    atexit.register(_stop, server, folder)
    return str(program)


def _stop(server: subprocess.Popen, folder: Path) -> None:
    os.killpg(server.pid, signal.SIGTERM)
    server.wait()
    shutil.rmtree(folder)


def serve(program: str, *addresses: str) -> None:
    """Import packages and serve at the first address; a fork that imports more serves at the next.

    Both end when standard input is closed.
    """
    listeners = [_listening(address) for address in addresses]
    os.write(1, b"+")
    for packages, listener in zip(PACKAGES.values(), listeners, strict=True):
        for package in packages:
            with suppress(ModuleNotFoundError):
                importlib.import_module(package)
        if listener is listeners[-1] or os.fork() == 0:
            for other in listeners:
                if other is not listener:
                    other.close()
            _prepare_for_forks()
            Server(listener, program).serve()


def _prepare_for_forks() -> None:
    """Let forks write into few of the pages that they share, because the kernel copies those."""
    gc.freeze()
    for each in weakref.finalize._registry:  # torch would remove its operators at exit, one by one
        each.atexit = False


def _listening(address: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(64)
    return listener


class Server:
    """Forks for each request and replies with its exit status.

    A fork gets the signals that its program forwards, and is killed if its program is killed.

    running: the connection of each fork to its program, by the fork's process number.
    """

    def __init__(self, listener: socket.socket, program: str):
        self.listener, self.program = listener, program
        self.running: dict[int, socket.socket] = {}
        self.ended, ends = socket.socketpair()  # readable when a fork has ended
        ends.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(ends.fileno())
        self.own = [listener, self.ended, ends]

    def serve(self) -> None:
        """Until standard input is closed."""
        while True:
            watched = [0, self.listener, self.ended, *self.running.values()]
            ready = select.select(watched, [], [])[0]
            if 0 in ready:
                os._exit(0)
            if self.ended in ready:
                self.ended.recv(4096)
                self._reply()
            for process, connection in self.running.items():
                if connection in ready:
                    _signal(process, _forwarded(connection))
            if self.listener in ready:
                self._accept()

    def _reply(self) -> None:
        for process in [*self.running]:
            ended, status = os.waitpid(process, os.WNOHANG)
            if ended:
                with self.running.pop(process) as connection, suppress(BrokenPipeError):
                    connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())

    def _accept(self) -> None:
        connection, _ = self.listener.accept()
        _, files, *_ = socket.recv_fds(connection, 1, 3)
        line = connection.makefile().readline()
        process = os.fork() if line.endswith("\n") else None  # else its program was killed
        if process == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            for each in [*self.own, *self.running.values(), connection]:
                each.close()
            _run(json.loads(line), files, self.program)
        for file in files:
            os.close(file)
        if process:
            self.running[process] = connection
        else:
            connection.close()


def _forwarded(connection: socket.socket) -> int:
    """The signal that a program forwards; SIGKILL if it has been killed."""
    try:
        return (connection.recv(1) or bytes([signal.SIGKILL]))[0]
    except ConnectionResetError:
        return signal.SIGKILL


def _signal(process: int, number: int) -> None:
    """Send a signal to the fork's process group; to the fork, if it has not made its group yet."""
    try:
        os.killpg(process, number)
    except ProcessLookupError:
        os.kill(process, number)


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
