"""Pulls the data from the DVC remote and, if that fails, says what to do (docs/remotes.md).

DVC alone does not always name the fault. With `--quiet` it prints no error. Over WebDAV it reports
a refused password, or a server that does not answer, as files that were never pushed. After a
transfer that broke off, DVC 3.67 accepts the truncated file in its cache as whole, unless the
remote has `verify = true`: so remotes without it are refused. After a pull that was killed, DVC
3.67 fails once, or every time: this module removes the cause.
"""

import fcntl
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlparse

from benchmark.core.atomic import write_text
from benchmark.core.environment import DATA
from benchmark.core.errors import UserError
from benchmark.core.paths import ROOT, in_project, where_the_data_come_from
from benchmark.data.partial_pull import check_out

PROBE_SECONDS = 10
REFUSED = (
    "permission denied",
    "forbidden",
    "unauthorized",
    "access denied",
    "http 401",
    "http 403",
)
UNREACHABLE = (
    "connect call failed", "could not connect", "cannot connect", "connection refused",
    "name or service not known", "nodename nor servname", "timed out", "timeout",
)  # fmt: skip
UNSAVED = "Can't remove the following unsaved files"
UNFETCHED = "Is your cache up to date?"
# The name that dvc_objects gives to an unfinished file (fs/utils.py, tmp_fname).
UNFINISHED = re.compile(r".*\.[\w-]{22}\.tmp")
LOCKED = "Unable to acquire lock"
BUSY_SECONDS = 600
# Messages of this machine's file system, in lower case.
NOT_ALLOWED = (
    "[errno 13]", "[errno 1]", "[errno 16]", "[errno 30]", "read-only file system",
    "resource busy", "operation not permitted",
)  # fmt: skip
MANIFEST = "manifest.json"  # without it, nothing in data/ can be used
INTERRUPTED = ("failed to transfer", "disconnected", "connection closed", "connection was closed")


def pull(repository: Path = ROOT) -> bool:
    """Run `dvc pull data.dvc`. Raises UserError with DVC's message, the remote and what to do.

    If another process is pulling, it waits. If the remote lacks some files, the others are put in
    place, the missing ones are named on standard error, and False is returned.

    Nothing is pulled if the data are in a folder of the user's (--data), or if the project has no
    data.dvc, as one of an installed package may have none.
    """
    if DATA in os.environ or not (repository / "data.dvc").exists():
        if not (in_project("data") / "manifest.json").exists():
            raise UserError(f"The data are not here: {where_the_data_come_from()}.")
        return True
    name, settings = _remote(repository)
    if urlparse(settings.get("url", "")).scheme and not settings.get("verify"):
        raise UserError(
            f"The DVC remote '{name}' does not verify downloads, so truncated files would be "
            f"accepted. Run 'dvc remote modify {name} verify true' and try again."
        )
    with _alone(repository):
        return _pull(repository, name, settings)


def _pull(repository: Path, name: str, settings: dict) -> bool:
    done = _dvc_pull(repository)
    end = time.monotonic() + BUSY_SECONDS
    while done.returncode and LOCKED in done.stderr and time.monotonic() < end:
        time.sleep(1)  # somebody has called DVC by hand
        done = _dvc_pull(repository)
    handled = {""}
    while done.returncode and (fault := _remove_leftovers(repository, done.stderr)) not in handled:
        handled.add(fault)
        done = _dvc_pull(repository)
    if not done.returncode:
        return True
    missing = check_out(repository) if UNSAVED not in done.stderr else None
    if missing is None or f"data/{MANIFEST}" in missing:
        output = "\n".join(line for line in done.stderr.splitlines() if line.strip())
        raise UserError(
            f"The data could not be pulled from the DVC remote '{name}' "
            f"({settings.get('url', 'not in .dvc/config')}):\n{output}\n"
            f"{_advice(name, settings, output.lower())}"
        )

    listed = "\n  ".join(missing[:20])
    print(
        f"warning: the DVC remote '{name}' lacks {len(missing)} files; what needs them will fail, "
        f"and the rest is in place:\n  {listed}",
        file=sys.stderr,
    )
    return False


@contextmanager
def _alone(repository: Path) -> Iterator[None]:
    """Wait while another process pulls into this repository."""
    folder = repository / ".dvc" / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "unweather-pull.lock").open("w") as lock:
        with suppress(OSError):  # a file system without locks
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print("Another process is pulling the data: waiting for it.", file=sys.stderr)
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def pull_if_changed(marker: Path, repository: Path = ROOT) -> None:
    """`pull`, unless the data of the present data.dvc have been pulled already.

    marker: a file that gets a copy of data.dvc, if there is one, after a pull. Raises UserError as
    `pull`.
    """
    file = repository / "data.dvc"
    pointer = file.read_text(encoding="utf-8") if file.exists() else ""
    pulled = marker.read_text(encoding="utf-8") if marker.exists() else None
    if (pulled != pointer or not in_project("data").is_dir()) and pull(repository):
        write_text(marker, pointer)


def _dvc_pull(repository: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "dvc", "pull", "data.dvc"],
        cwd=repository,
        stdin=subprocess.DEVNULL,  # in a workflow, nobody would answer a question for a password
        capture_output=True,
        text=True,
    )


def _remove_leftovers(repository: Path, output: str) -> str:
    """Remove the leftovers of a killed pull because of which DVC failed; returns their names.

    These are unfinished files. Or DVC believes that it has fetched files that it has not: then
    nothing is removed and DVC's message is returned, because after this failure DVC fetches them.
    Returns "" if the failure has another cause.
    """
    if UNSAVED not in output:
        return UNFETCHED if UNFETCHED in output else ""
    # DVC prints this while it holds its lock, so no other pull is writing these files.
    named = {Path(line.strip()).name for line in output.splitlines()}
    left = [
        path
        for path in (repository / "data").rglob("*.tmp")
        if path.name in named and UNFINISHED.fullmatch(path.name)
    ]
    for path in left:
        path.unlink(missing_ok=True)
    return " ".join(sorted(path.name for path in left))


def _remote(repository: Path) -> tuple[str, dict]:
    """The default remote's name and its settings, including those of .dvc/config.local.

    Raises UserError with the name of the file if DVC cannot read one.
    """
    from dvc.config import Config

    try:
        config = Config(dvc_dir=str(repository / ".dvc"))
    except Exception as error:  # DVC's own errors, and others that wrong types of values raise
        raise UserError(
            f"{repository}/.dvc/config or config.local is damaged ({error}). 'git checkout "
            ".dvc/config' restores the first; docs/remotes.md describes the second."
        ) from error
    name = config["core"].get("remote", "")
    return name, dict(config["remote"].get(name, {}))


def _advice(name: str, settings: dict, output: str) -> str:
    """What the user can do. output: DVC's error messages, in lower case."""
    if UNSAVED.lower() in output:
        return "Move them elsewhere, or run 'dvc pull --force', which deletes them."
    if any(words in output for words in NOT_ALLOWED):
        return (
            "A file or folder named above cannot be read or written, or another program uses it. "
            "Change its permissions or close that program, and try again."
        )
    scheme = urlparse(settings.get("url", "")).scheme
    if not scheme:
        return (
            "The folder may be damaged: check it with 'git status data-store' and restore it with "
            "'git checkout data-store'."
        )
    if re.search("is supported,? but requires", output):
        return (
            "Install the package that DVC names above. Those for S3, SSH and WebDAV come with "
            "'make setup GROUPS=remotes'."
        )
    if any(words in output for words in INTERRUPTED):
        return "The transfer broke off. Try again: files that arrived whole are kept."
    if scheme.startswith(("http", "webdav")):
        output += _probe(settings)
    if any(words in output for words in REFUSED):
        return (
            f"The server refuses the user, password or key. Set them with 'dvc remote modify "
            f"--local {name} ...'; docs/remotes.md lists the commands for {scheme}."
        )
    if any(words in output for words in UNREACHABLE):
        return (
            "The server does not answer. Check that it runs and the URL's host and port "
            f"('dvc remote modify {name} url ...'), then try again."
        )
    if "missing-files" in output:
        return (
            "The remote lacks these files. Run 'dvc push' on a machine that has the data, or "
            f"check the folder in the URL ('dvc remote modify {name} url ...')."
        )
    return "docs/remotes.md describes how to set up each kind of remote."


def _probe(settings: dict) -> str:
    """A web server's answer to the remote's credentials, in words of REFUSED or UNREACHABLE."""
    import requests

    url = settings["url"].replace("webdav", "http", 1)
    credentials = (settings["user"], settings.get("password", "")) if "user" in settings else None
    headers = {"Authorization": f"Bearer {settings['token']}"} if "token" in settings else {}
    try:
        answer = requests.request(
            "OPTIONS" if "webdav" in settings["url"] else "HEAD",
            url,
            auth=credentials,
            headers=headers,
            timeout=PROBE_SECONDS,
            verify=settings.get("ssl_verify", True),
        )
    except requests.RequestException:
        return " could not connect"
    return f" http {answer.status_code}"
