"""Data on DVC remotes on real servers: push and pull, and the message if a pull fails."""

import configparser
import errno
import filecmp
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmark.cli.app import app
from benchmark.core import paths
from benchmark.core.errors import UserError
from benchmark.core.paths import ROOT
from benchmark.data import partial_pull
from benchmark.data import pull as pulling
from benchmark.data.pull import pull, pull_if_changed
from tests import servers
from tests.preloaded import python


@dataclass
class Kind:
    """A kind of remote: its server, DVC's plug-in, and the settings that docs/remotes.md names.

    settings(port, folder, good): with `good` false, a password or key that the server refuses.
    """

    server: Callable
    plugin: str
    settings: Callable[[int, Path, bool], dict[str, str]]


def _ssh(port: int, folder: Path, good: bool) -> dict[str, str]:
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    key = folder / ("key" if good else "stranger")
    return {"url": f"ssh://{user}@127.0.0.1:{port}{folder}/store", "keyfile": str(key)}


def _webdav(port: int, folder: Path, good: bool) -> dict[str, str]:
    password = servers.PASSWORD if good else "wrong"
    url = f"webdav://127.0.0.1:{port}/private"
    return {"url": url, "user": servers.USER, "password": password}


def _s3(port: int, folder: Path, good: bool) -> dict[str, str]:
    return {
        "url": "s3://data/unweather",
        "endpointurl": f"http://127.0.0.1:{port}",
        "access_key_id": servers.USER,
        "secret_access_key": servers.PASSWORD if good else "wrong",
    }


KINDS = {
    "ssh": Kind(servers.ssh, "dvc_ssh", _ssh),
    "webdav": Kind(servers.apache, "dvc_webdav", _webdav),
    "s3": Kind(servers.s3, "dvc_s3", _s3),
}


def dvc(repository: Path, *arguments: str) -> None:
    command = [python(), "-m", "dvc", *arguments]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def use(repository: Path, settings: dict[str, str]) -> None:
    """Write what 'dvc remote add -d' and 'dvc remote modify' write, without their processes."""
    config = configparser.ConfigParser()
    config["core"] = {"remote": "lab", "analytics": "false", "no_scm": "true"}
    config["'remote \"lab\"'"] = {"verify": "true", **settings}
    with (repository / ".dvc" / "config").open("w") as file:
        config.write(file)


def push(repository: Path) -> None:
    """Push as after 'dvc add', whatever an earlier test left behind."""
    forget(repository)
    shutil.copytree(repository / "kept-cache", repository / ".dvc" / "cache")
    dvc(repository, "push", "--quiet")
    forget(repository)


def forget(repository: Path) -> None:
    for path in ("data", ".dvc/cache", ".dvc/tmp"):
        shutil.rmtree(repository / path, ignore_errors=True)


def identical(one: Path, other: Path) -> bool:
    names = sorted(path.name for path in one.iterdir())
    same = filecmp.cmpfiles(one, other, names, shallow=False)[0]
    return other.is_dir() and sorted(same) == names == sorted(p.name for p in other.iterdir())


@pytest.fixture(autouse=True)
def _preloaded(monkeypatch):
    """`pull` starts DVC in processes that have imported it."""
    monkeypatch.setattr(sys, "executable", python())


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A DVC repository with a file of 1 MB and a small one in data/, of which `kept` is a copy."""
    folder = tmp_path_factory.mktemp("repository")
    (folder / "data").mkdir()
    (folder / "data" / "big").write_bytes(np.random.default_rng(0).bytes(1_000_000))
    (folder / "data" / "ü small.txt").write_text("small")
    shutil.copytree(folder / "data", folder / "kept")
    dvc(folder, "init", "--no-scm", "--quiet")
    dvc(folder, "add", "--quiet", "data")
    shutil.copytree(folder / ".dvc" / "cache", folder / "kept-cache")
    return folder


@contextmanager
def started(kind: Kind, folder: Path):
    if find_spec(kind.plugin) is None:
        pytest.skip(f"DVC's plug-in {kind.plugin} is not installed (make setup GROUPS=remotes)")
    with kind.server(folder) as port:
        yield port


@pytest.mark.parametrize("name", KINDS)
def test_data_are_pushed_to_a_server_and_pulled_again(repository, tmp_path, monkeypatch, name):
    # Otherwise S3 tries for minutes after the connection is cut.
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    kind, data = KINDS[name], repository / "data"
    with started(kind, tmp_path) as port:
        good = kind.settings(port, tmp_path, True)
        use(repository, good)
        push(repository)
        use(repository, kind.settings(port, tmp_path, False))
        with pytest.raises(UserError, match=r"(?s)'lab' \(\w+://.*refuses the user, password or"):
            pull(repository)
        assert not (data / "big").exists()

        with servers.cut_after(port, 200_000) as cut:
            use(repository, kind.settings(cut, tmp_path, True))
            with pytest.raises(UserError, match=r"broke off\. Try again"):
                pull(repository)
        assert not (data / "big").exists()

        use(repository, good)
        pull(repository)
        assert identical(repository / "kept", data)
    forget(repository)
    with pytest.raises(UserError, match="server does not answer"):
        pull(repository)


def test_data_pushed_over_webdav_are_pulled_over_http(repository, tmp_path):
    """A server that only reads: data are in its folder, as WebDAV or SSH push them."""
    data = repository / "data"
    with servers.apache(tmp_path) as port:
        use(repository, {"url": str(tmp_path / "www" / "store")})
        push(repository)
        use(repository, {"url": f"http://127.0.0.1:{port}/store"})
        pull(repository)
        assert identical(repository / "kept", data)
        forget(repository)
        use(repository, {"url": f"http://127.0.0.1:{port}/nowhere"})
        with pytest.raises(UserError, match=r"(?s)nowhere.*remote lacks these files.*'dvc push'"):
            pull(repository)


def test_a_damaged_bundled_remote_is_named(repository, tmp_path):
    forget(repository)
    use(repository, {"url": str(tmp_path / "store")})
    with pytest.raises(UserError, match=r"(?s)'lab'.*git checkout data-store"):
        pull(repository)


def without(repository, store, name):
    """Push, and remove a file's object from the remote."""
    use(repository, {"url": str(store)})
    push(repository)
    md5 = hashlib.md5((repository / "kept" / name).read_bytes()).hexdigest()
    (kept,) = store.rglob(md5[2:])
    data = kept.read_bytes()
    kept.unlink()
    return lambda: kept.write_bytes(data)


@pytest.mark.parametrize("name", ["big", "ü small.txt"])
def test_a_file_that_the_remote_lacks_is_named_and_the_others_are_put_in_place(
    repository, tmp_path, capsys, name
):
    put_back = without(repository, tmp_path / "store", name)
    marker = tmp_path / "pulled.txt"
    pull_if_changed(marker, repository)
    said = capsys.readouterr().err
    assert "'lab' lacks 1 files" in said and f"data/{name}" in said
    there = {path.name for path in (repository / "kept").iterdir()} - {name}
    assert {path.name for path in (repository / "data").iterdir()} == there
    assert not marker.exists()  # so that the next run tries again
    put_back()
    pull_if_changed(marker, repository)
    assert identical(repository / "kept", repository / "data")
    assert marker.exists()


@pytest.mark.parametrize("place", ["5", "[a]", "../elsewhere", "/elsewhere"])
def test_a_pointer_to_no_folder_below_is_not_followed(repository, tmp_path, place):
    without(repository, tmp_path / "store", "big")
    with pytest.raises(AssertionError):
        dvc(repository, "pull", "data.dvc")
    pointer, around = repository / "data.dvc", repository.parent
    good, before = pointer.read_text(), {*around.rglob("*")}
    pointer.write_text(good.replace("path: data", f"path: {place}"))
    assert partial_pull.check_out(repository) is None
    pointer.write_text(good)
    made = {*around.rglob("*")} - before
    assert not [path for path in made if ".dvc" not in path.parts]


def test_a_transfer_that_broke_off_is_no_missing_file(repository, tmp_path):
    put_back = without(repository, tmp_path / "store", "big")
    with pytest.raises(AssertionError):
        dvc(repository, "pull", "data.dvc")
    put_back()
    assert partial_pull.check_out(repository) is None
    assert not (repository / "data").exists()


def test_two_pulls_at_once_both_succeed(repository, tmp_path):
    use(repository, {"url": str(tmp_path / "store")})
    push(repository)
    with ThreadPoolExecutor() as pool:
        assert [*pool.map(pull, [repository] * 2)] == [True, True]
    assert identical(repository / "kept", repository / "data")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EBUSY, errno.EROFS, errno.EPERM])
def test_a_place_that_cannot_be_written_is_no_fault_of_the_remote(
    repository, tmp_path, monkeypatch, number
):
    use(repository, {"url": str(tmp_path / "store")})
    said = f"ERROR: unexpected error - [Errno {number}] {os.strerror(number)}: '/x/data'"
    done = subprocess.CompletedProcess([], 1, "", said)
    monkeypatch.setattr(pulling, "_dvc_pull", lambda _: done)
    with pytest.raises(UserError, match="cannot be read or written") as caught:
        pull(repository)
    assert "git" not in str(caught.value)


def test_the_leftovers_of_a_killed_pull_do_not_stop_the_next(repository, tmp_path):
    """The name is one that DVC 3.67 left; see tests/campaigns/killed_pull.py."""
    use(repository, {"url": str(tmp_path / "store")})
    push(repository)
    forget(repository)
    (repository / "data").mkdir()
    (repository / "data" / ".GoDMYYFo7YKI9lHZD_fF6Q.tmp").touch()
    pull(repository)
    assert identical(repository / "kept", repository / "data")


def test_the_users_files_in_the_data_folder_are_kept_and_named(repository, tmp_path):
    use(repository, {"url": str(tmp_path / "store")})
    push(repository)
    forget(repository)
    (repository / "data").mkdir()
    (repository / "data" / "mine.tmp").write_text("mine")
    with pytest.raises(UserError, match=r"(?s)mine\.tmp.*Move them elsewhere"):
        pull(repository)
    assert (repository / "data" / "mine.tmp").read_text() == "mine"


@pytest.mark.parametrize("text", ["core\n", "[other]\n    a = b\n", "[core]\n    remote = \xff\n"])
def test_damaged_settings_are_named(repository, text):
    (repository / ".dvc" / "config").write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=r"\.dvc/config or config\.local is damaged"):
        pull(repository)


def test_a_remote_without_verification_is_refused(repository):
    use(repository, {"url": "s3://data", "verify": "false"})
    with pytest.raises(UserError, match="'dvc remote modify lab verify true'"):
        pull(repository)


@pytest.mark.parametrize(
    ("url", "module"),
    [
        ("s3://data", "dvc_s3"),
        ("ssh://host/data", "dvc_ssh"),
        ("webdav://host/data", "dvc_webdav"),
    ],
)
def test_a_missing_plugin_says_how_to_install_it(repository, tmp_path, monkeypatch, url, module):
    (tmp_path / f"{module}.py").write_text(f"raise ImportError('No module named {module}')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    use(repository, {"url": url})
    with pytest.raises(UserError, match=r"(?s)but requires.*'make setup GROUPS=remotes'"):
        pull(repository)


def test_the_repository_pulls_from_its_own_folder():
    config = configparser.ConfigParser()
    config.read(ROOT / ".dvc" / "config")
    assert config["core"]["remote"] == "bundled"
    folder = ROOT / ".dvc" / config["'remote \"bundled\"'"]["url"]
    assert any(folder.resolve().rglob("*.dir"))


@pytest.mark.parametrize("whole", [True, False])
def test_the_verb_says_what_is_there(tmp_path, monkeypatch, whole):
    (tmp_path / "manifest.json").write_text('{"files": [{}, {}, {}]}')
    monkeypatch.setattr(paths, "in_project", lambda path: tmp_path)
    monkeypatch.setattr(pulling, "pull", lambda: whole)
    (line,) = CliRunner().invoke(app, ["pull"]).output.splitlines()
    assert line == f"{tmp_path}: {'' if whole else 'not all of its '}3 files are there"
