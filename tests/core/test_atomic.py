"""Ctrl-C and a kill at every line of the writers: the target is whole, and nothing is left over."""

import os
import shutil
import signal
import sys
import threading

import pytest

from benchmark.core import atomic, swap
from benchmark.core.atomic import PARTIAL, atomic_folder, atomic_path, write_text
from benchmark.core.errors import NotWritten
from tests.forks import forked

SOURCES = (atomic.__file__, swap.__file__)


def write_file(target, fails):
    with atomic_path(target) as temporary:
        temporary.write_text("new")
        if fails:
            raise ValueError("the writer fails")


def write_folder(target, fails):
    with atomic_folder(target) as temporary:
        (temporary / "1").write_text("new")
        (temporary / "2").write_text("new")
        if fails:
            raise ValueError("the writer fails")


def write_a_text(target, fails):
    write_text(target, object() if fails else "new")


WRITERS = {"file": write_file, "folder": write_folder, "text": write_a_text}


def make_old(target, kind):
    if kind == "folder":
        target.mkdir()
        (target / "1").write_text("old")
        (target / "2").write_text("old")
    else:
        target.write_text("old")


def new_target(folder, kind, exists):
    """A path in a new folder; what is there is complete and old, if it `exists`."""
    folder.mkdir()
    if exists:
        make_old(folder / "target.csv", kind)
    return folder / "target.csv"


def content(target):
    """'old', 'new' or None if `target` is absent; fails if it is not whole."""
    if not target.exists():
        return None
    files = [target] if target.is_file() else [target / "1", target / "2"]
    found = {file.read_text() for file in files}
    assert len(found) == 1 and (target.is_file() or set(target.iterdir()) == set(files))
    return found.pop()


def at_each_line(act, work):
    """Run `work` and call `act(number)` at each of its lines in atomic.py or swap.py.

    Returns how many lines there were until `work` ended.
    """
    count = 0

    def trace(frame, event, _):
        nonlocal count
        if frame.f_code.co_filename not in SOURCES:
            return None
        if event == "line":
            count += 1
            act(count)
        return trace

    atomic._sweep.cache_clear()
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def interrupt_at(line):
    def act(number):
        if number == line:
            raise KeyboardInterrupt

    return act


def kill_at(line):
    def act(number):
        if number == line:
            os.kill(os.getpid(), signal.SIGKILL)

    return act


def lines_of(folder, kind, exists, fails=False):
    """The number of lines of an undisturbed write."""
    target = new_target(folder / "undisturbed", kind, exists)

    def work():
        try:
            WRITERS[kind](target, fails)
        except (ValueError, TypeError):
            assert fails

    lines = at_each_line(lambda _: None, work)
    assert content(target) == ("new" if not fails else "old" if exists else None)
    assert lines > 20
    return lines


@pytest.fixture(params=["one step", "three steps"])
def exchange(request, monkeypatch):
    """How folders are exchanged: by the system's call, or without it."""
    if request.param == "three steps":
        monkeypatch.setattr(swap, "_system_call", lambda: None)
    elif swap._system_call() is None:
        pytest.skip("this system cannot exchange two folders in one step")
    return request.param


# Only folders are exchanged.
WAYS = [("file", "one step"), ("folder", "one step"), ("folder", "three steps")]
OLD = pytest.mark.parametrize("exists", [False, True], ids=["new", "old"])


@pytest.mark.parametrize("fails", [False, True], ids=["succeeds", "fails"])
@OLD
@pytest.mark.parametrize(("kind", "exchange"), [*WAYS, ("text", "one step")], indirect=["exchange"])
def test_ctrl_c_at_any_line_leaves_a_whole_target_and_nothing_else(
    tmp_path, kind, exchange, exists, fails
):
    for number in range(1, lines_of(tmp_path, kind, exists, fails) + 1):
        target = new_target(tmp_path / str(number), kind, exists)
        with pytest.raises(KeyboardInterrupt):
            at_each_line(interrupt_at(number), lambda: WRITERS[kind](target, fails))  # noqa: B023
        whole = {"old" if exists else None} | ({"new"} if not fails else set())
        assert content(target) in whole, number
        assert not list(target.parent.glob(f"{PARTIAL}*")), number


def files_of(folder):
    """All below a folder by its path there: the text of a file, None for a folder."""
    return {
        path.relative_to(folder): path.read_text() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def states(folder, kind, exists):
    """For each line of a write, a target whose folder is as a kill at that line leaves it.

    It is a copy of what is there at that line. Nothing of a copy is locked, as after a kill.
    """
    target = new_target(folder / "written", kind, exists)
    copies = []

    def keep(number):
        copies.append(folder / str(number) / target.name)
        shutil.copytree(target.parent, copies[-1].parent)

    at_each_line(keep, lambda: WRITERS[kind](target, False))
    return copies


@OLD
@pytest.mark.parametrize(("kind", "exchange"), WAYS, indirect=["exchange"])
def test_a_kill_at_any_line_leaves_a_whole_target_once_the_next_has_written(
    tmp_path, kind, exchange, exists
):
    """Where the system can exchange two folders, the target is there at once."""
    seen, left = set(), set()
    for number, target in enumerate(states(tmp_path, kind, exists), 1):
        left |= {path.name for path in target.parent.glob(f"{PARTIAL}*")}
        if exchange == "one step":
            assert content(target) in {"old" if exists else None, "new"}, number
        atomic._sweep.cache_clear()
        write_text(target.parent / "other.csv", "")
        seen.add(content(target))
        assert content(target) in {"old" if exists else None, "new"}, number
        names = {path.name for path in target.parent.iterdir()}
        assert names <= {"target.csv", "other.csv"}, number
    assert seen == {"old" if exists else None, "new"}
    assert left


@OLD
@pytest.mark.parametrize(("kind", "exchange"), WAYS, indirect=["exchange"])
def test_a_killed_process_leaves_what_was_there_at_its_line(tmp_path, kind, exchange, exists):
    """And no lock: the next process removes it. At a few lines, by SIGKILL."""
    copies = states(tmp_path, kind, exists)
    for number in range(5, len(copies) + 1, len(copies) // 3):
        target = new_target(tmp_path / f"killed-{number}", kind, exists)

        def work(target=target, number=number):
            at_each_line(kill_at(number), lambda: WRITERS[kind](target, False))

        killed = forked(work)
        assert killed.wait() == -signal.SIGKILL
        found, copied = files_of(target.parent), files_of(copies[number - 1].parent)
        assert sorted(map(str, found.values())) == sorted(map(str, copied.values())), number
        atomic._sweep.cache_clear()
        write_text(target.parent / "other.csv", "")
        assert not list(target.parent.glob(f"{PARTIAL}*")), number


def test_a_folder_that_is_being_exchanged_is_not_put_back_by_another(tmp_path, monkeypatch):
    """Another process sweeps between the steps: the old folder is locked and stays aside."""
    monkeypatch.setattr(swap, "_system_call", lambda: None)
    make_old(tmp_path / "target", "folder")
    old = tmp_path / f"{atomic.SET_ASIDE}target"
    seen = []

    def sweep_as_another_process():
        assert forked(lambda: write_text(tmp_path / "other", "")).wait() == 0
        seen.append((old.exists(), (tmp_path / "target").exists()))

    rename = type(tmp_path).rename

    def renamed(self, target):
        found = rename(self, target)
        if found == old:
            sweep_as_another_process()
        return found

    monkeypatch.setattr(type(tmp_path), "rename", renamed)
    write_folder(tmp_path / "target", False)
    assert seen == [(True, False)]
    assert content(tmp_path / "target") == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "target"]


def test_a_new_temporary_that_another_process_swept_is_made_again(tmp_path, monkeypatch):
    """Between the creation and the lock, another process may take the file for a leftover."""
    create, made = atomic._create_file, []

    def created(temporary):
        lock = create(temporary)
        made.append(temporary)
        if len(made) == 1:
            temporary.unlink()
        return lock

    monkeypatch.setattr(atomic, "_create_file", created)
    write_text(tmp_path / "a", "new")
    assert len(set(made)) == 2
    assert (tmp_path / "a").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_threads_may_write_into_one_folder(tmp_path):
    names = {str(number): str(number) for number in range(20)}
    threads = [threading.Thread(target=write_text, args=(tmp_path / n, n)) for n in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == names


def test_files_and_folders_get_the_usual_permissions(tmp_path):
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "a", "")
        write_folder(tmp_path / "b", False)
        with atomic_path(tmp_path / "c") as temporary:  # as safetensors writes
            (tmp_path / "private").touch(0o600)
            (tmp_path / "private").rename(temporary)
    finally:
        os.umask(before)
    assert (tmp_path / "c").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "b").stat().st_mode & 0o777 == 0o750


def test_swap_exchanges_two_paths_or_says_that_it_cannot(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").write_text("b")
    if swap.swap(tmp_path / "a", tmp_path / "b"):
        assert (tmp_path / "a").read_text() == "b" and (tmp_path / "b").is_dir()
        with pytest.raises(FileNotFoundError, match="none"):
            swap.swap(tmp_path / "a", tmp_path / "none")
    monkeypatch.setattr(swap, "_system_call", lambda: None)
    assert not swap.swap(tmp_path / "a", tmp_path / "b")


@pytest.mark.usefixtures("exchange")
def test_a_link_to_a_folder_is_replaced_and_what_it_names_is_kept(tmp_path):
    make_old(tmp_path / "elsewhere", "folder")
    (tmp_path / "target").symlink_to(tmp_path / "elsewhere")
    write_folder(tmp_path / "target", False)
    assert not (tmp_path / "target").is_symlink()
    assert (content(tmp_path / "target"), content(tmp_path / "elsewhere")) == ("new", "old")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere", "target"]


def test_a_place_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotWritten, match=r"file/a cannot be written"):
        write_folder(tmp_path / "file" / "a", False)
