"""Runs verbs in forked processes and kills them at, or just after, a file operation.

Runs in a workspace. Each line of its input is a JSON request, each line of its output the answer.
A fork has torch imported already, which saves seconds for each verb.

    {"verb": [...], "after": N, "delay": SECONDS, "log": FILE, "limit": BYTES}
    {"operations": N, "killed": true, "code": STATUS}

`after`: the number of the file operation at which the verb is killed, or null. `limit`: writing
more bytes than this to a file fails, as on a full disk, or null.
"""

import ctypes
import json
import mmap
import os
import resource
import select
import signal
import sys
import traceback

OPERATIONS = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "shutil.copyfile")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def count_operations(after: int | None, delay: float, tell: int) -> ctypes.c_long:
    """Count the changes of files below results/ by this process and its forks.

    At number `after` die, or write to `tell`: the parent then kills after `delay`.
    """
    counter = ctypes.c_long.from_buffer(mmap.mmap(-1, mmap.PAGESIZE))  # shared with forks

    def audit(event: str, arguments: tuple) -> None:
        if event == "open":
            changes = isinstance(arguments[2], int) and arguments[2] & WRITING
        else:
            changes = event in OPERATIONS
        if not (changes and "results/" in f"{os.getcwd()}/{arguments[0]}"):
            return
        counter.value += 1
        if counter.value == after:
            if not delay:
                os.killpg(0, signal.SIGKILL)
            os.write(tell, b"x")

    sys.addaudithook(audit)
    return counter


def child(request: dict, tell: int) -> None:
    """Run the verb as the command line does, and exit with its status."""
    os.setsid()
    if request["limit"] is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["limit"],) * 2)
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.argv = ["benchmark", *request["verb"]]
    code = 0
    counter = count_operations(request["after"], request["delay"], tell)
    try:
        from benchmark.cli import main

        main()
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 70
    os.write(tell, json.dumps({"operations": counter.value}).encode())
    sys.stdout.flush()
    os._exit(code)


def serve(request: dict) -> dict:
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(reading)
        child(request, writing)
    os.close(writing)
    received = b""
    while part := os.read(reading, 4096):
        received += part
        if received == b"x":
            select.select([reading], [], [], request["delay"])
            os.killpg(process, signal.SIGKILL)
    os.close(reading)
    _, status = os.waitpid(process, 0)
    killed = os.WIFSIGNALED(status)
    operations = json.loads(received.lstrip(b"x") or b"{}").get("operations", request["after"])
    return {"operations": operations, "killed": killed, "code": os.waitstatus_to_exitcode(status)}


def main() -> None:
    sys.path.insert(0, os.getcwd())
    # What the verbs import: their forks then need not.
    import matplotlib.figure
    import seaborn
    import torch._dynamo
    import torch.utils.tensorboard

    from benchmark import report  # noqa: F401
    from benchmark.board import write  # noqa: F401
    from benchmark.data import leakage  # noqa: F401
    from benchmark.jobs import collect, restore, score, train  # noqa: F401
    from benchmark.report.figures import draw  # noqa: F401

    del matplotlib, seaborn, torch
    for line in sys.stdin:
        print(json.dumps(serve(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
