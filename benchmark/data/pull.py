"""Fetches the data from the DVC remote and, when that fails, says what to do (docs/remotes.md).

DVC alone does not always say what is wrong: with `--quiet` it prints no error, and over WebDAV it
takes a refused password, and a server that does not answer, for files that were never pushed. After
a transfer that broke off, DVC 3.67 takes the truncated file in its cache for whole unless the
remote has `verify = true`: other remotes are refused. After a pull that was killed, DVC 3.67 fails
once, or for ever: that is mended here.
"""

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlparse

from benchmark.core.errors import UserError
from benchmark.core.paths import ROOT

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
# As dvc_objects names a file that it has not finished (fs/utils.py, tmp_fname).
UNFINISHED = re.compile(r".*\.[\w-]{22}\.tmp")
INTERRUPTED = ("failed to transfer", "disconnected", "connection closed", "connection was closed")


def pull(repository: Path = ROOT) -> None:
    """`dvc pull data.dvc`. Raises UserError with DVC's own words, the remote and what to do."""
    name, settings = _remote(repository)
    if urlparse(settings.get("url", "")).scheme and not settings.get("verify"):
        raise UserError(
            f"The DVC remote '{name}' does not check what arrives, so that files cut short would "
            f"pass for whole. Run 'dvc remote modify {name} verify true' and try again."
        )
    done = _dvc_pull(repository)
    told = {""}
    while done.returncode and (fault := _left_by_a_kill(repository, done.stderr)) not in told:
        told.add(fault)
        done = _dvc_pull(repository)
    if done.returncode:
        said = "\n".join(line for line in done.stderr.splitlines() if line.strip())
        raise UserError(
            f"The data could not be pulled from the DVC remote '{name}' "
            f"({settings.get('url', 'not in .dvc/config')}):\n{said}\n"
            f"{_advice(name, settings, said.lower())}"
        )


def _dvc_pull(repository: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "dvc", "pull", "data.dvc"],
        cwd=repository,
        stdin=subprocess.DEVNULL,  # a question for a password would wait for ever in a workflow
        capture_output=True,
        text=True,
    )


def _left_by_a_kill(repository: Path, said: str) -> str:
    """What a killed pull has left that DVC failed for, removed where need be.

    Either files that it had not finished, or files that it takes for fetched although they are not:
    having failed for them once, it fetches them.
    """
    if UNSAVED not in said:
        return UNFETCHED if UNFETCHED in said else ""
    # DVC says this while it holds its lock: no other pull is at work on these files.
    named = {Path(line.strip()).name for line in said.splitlines()}
    left = [
        path
        for path in (repository / "data").rglob("*.tmp")
        if path.name in named and UNFINISHED.fullmatch(path.name)
    ]
    for path in left:
        path.unlink(missing_ok=True)
    return " ".join(sorted(path.name for path in left))


def _remote(repository: Path) -> tuple[str, dict]:
    """The default remote's name and its settings, those of .dvc/config.local included.

    Raises UserError naming the file if DVC cannot read one of them.
    """
    from dvc.config import Config

    try:
        config = Config(dvc_dir=str(repository / ".dvc"))
    except Exception as error:  # DVC's own, and what odd kinds of values raise in it
        raise UserError(
            f"{repository}/.dvc/config or config.local is damaged ({error}). 'git checkout "
            ".dvc/config' restores the first; docs/remotes.md tells what belongs into the second."
        ) from error
    name = config["core"].get("remote", "")
    return name, dict(config["remote"].get(name, {}))


def _advice(name: str, settings: dict, said: str) -> str:
    if UNSAVED.lower() in said:
        return "Move them elsewhere, or run 'dvc pull --force', which deletes them."
    scheme = urlparse(settings.get("url", "")).scheme
    if not scheme:
        return (
            "Is the folder whole? 'git status data-store' tells, 'git checkout data-store' "
            "restores it."
        )
    if re.search("is supported,? but requires", said):
        return (
            "Install the package that DVC names above. Those for S3, SSH and WebDAV come with "
            "'make setup GROUPS=remotes'."
        )
    if any(words in said for words in INTERRUPTED):
        return "The transfer broke off. Try again: files that have arrived whole are kept."
    if scheme.startswith(("http", "webdav")):
        said += _probe(settings)
    if any(words in said for words in REFUSED):
        return (
            f"The server refuses the user, password or key. Set them with 'dvc remote modify "
            f"--local {name} ...'; docs/remotes.md lists the commands for {scheme}."
        )
    if any(words in said for words in UNREACHABLE):
        return (
            "The server does not answer. Check that it runs and the URL's host and port "
            f"('dvc remote modify {name} url ...'), then try again."
        )
    if "missing-files" in said:
        return (
            "The remote lacks these files. Run 'dvc push' where the data are, or check the folder "
            f"in the URL ('dvc remote modify {name} url ...')."
        )
    return "docs/remotes.md tells how each kind of remote is set up."


def _probe(settings: dict) -> str:
    """What a web server says to the remote's credentials, in words of REFUSED or UNREACHABLE."""
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
