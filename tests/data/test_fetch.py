"""Fetching sets: broken downloads, hostile archives, sets that do not agree with their card."""

import errno
import hashlib
import io
import json
import os
import socket
import stat
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from benchmark.cli.app import app
from benchmark.core.errors import UserError
from benchmark.core.image_io import write_png
from benchmark.data import cards as datasets
from benchmark.data import download, fetch, file_index
from benchmark.data import unpack as unpacking
from benchmark.data.unpack import Limits, unpack
from tests import servers

CARD = {
    "title": "A set",
    "weathers": ["snow"],
    "splits": {"test": {"input": "in/{photo}.png", "target": "gt/{photo}.png"}},
    "pairs": {"test": 2},
    "licence": "for research",
    "source": "https://example.org/set",
    "citation": "none",
}


def png(value: int, side: int = 4) -> bytes:
    file = io.BytesIO()
    from PIL import Image

    Image.fromarray(np.full((side, side, 3), value, np.uint8)).save(file, "PNG")
    return file.getvalue()


PAIRS = {
    f"deep/folder/{role}/{photo}.png": png(i)
    for i, (role, photo) in enumerate([("in", "a"), ("in", "b"), ("gt", "a"), ("gt", "b")])
}


def make_zip(path: Path | io.BytesIO, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def make_tar(path: Path, members: list[tuple[tarfile.TarInfo, bytes]], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:
        for info, data in members:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.fixture
def card(tmp_path, monkeypatch):
    """Writes a card into a separate folder; returns the folder of its set."""
    cards = tmp_path / "cards"
    cards.mkdir()
    monkeypatch.setattr(datasets, "CARDS", cards)
    monkeypatch.setattr(file_index, "CACHE", tmp_path / "cache.sqlite")
    monkeypatch.setattr(download, "PAUSE", 0.0)

    def card(**changes) -> Path:
        values = CARD | {"path": str(tmp_path / "sets" / "mine")} | changes
        (cards / "mine.yaml").write_text(yaml.safe_dump(values))
        return tmp_path / "sets" / "mine"

    return card


def nothing_left(folder: Path) -> bool:
    """No set, no part of one, no temporary folder. Only downloads may be kept."""
    names = {path.name for path in folder.parent.iterdir()} if folder.parent.exists() else set()
    return names <= {f".{folder.name}.download"}


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tar.xz", "tar.bz2"])
def test_a_set_is_found_in_any_folder_of_its_archive(card, tmp_path, kind):
    folder, archive = card(), tmp_path / f"set.{kind}"
    if kind == "zip":
        make_zip(archive, PAIRS | {"__MACOSX/._a.png": b"", "deep/readme.txt": b"read me"})
    else:
        mode = "w:" + kind[4:]
        make_tar(archive, [(member(name), data) for name, data in PAIRS.items()], mode)
    assert fetch.fetch("mine", [str(archive)]) == {"test": 2}
    found = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.png")}
    assert found == {name.removeprefix("deep/folder/"): data for name, data in PAIRS.items()}
    assert archive.exists()
    assert {path.name for path in folder.parent.iterdir()} == {"mine"}
    lock = json.loads((datasets.CARDS / "mine.lock.json").read_text())
    assert lock[archive.name]["sha256"] == hashlib.sha256(archive.read_bytes()).hexdigest()


def test_a_set_in_several_archives(card, tmp_path):
    card()
    parts = [
        make_zip(tmp_path / f"{role}.zip", {n: d for n, d in PAIRS.items() if f"/{role}/" in n})
        for role in ("in", "gt")
    ]
    assert fetch.fetch("mine", [str(part) for part in parts]) == {"test": 2}
    with pytest.raises(UserError, match="is there already and is not changed"):
        fetch.fetch("mine", [str(part) for part in parts])
    assert fetch.check("mine") == {"test": 2}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"deep/folder/gt/b.png": None}, r"'gt/b\.png' is missing"),
        ({"deep/folder/gt/b.png": png(0, side=5)}, "4×4 pixels, its target 5×5"),
        ({"deep/folder/gt/b.png": png(0, side=64)[:-30]}, r"gt/b\.png.*damaged or truncated"),
        ({"deep/folder/in/c.png": png(0), "deep/folder/gt/c.png": png(0)}, "3 of the 2 images"),
        ({name: None for name in PAIRS} | {"other/x.png": png(0)}, "no image where its card looks"),
    ],
)
def test_a_set_that_does_not_agree_with_its_card_leaves_nothing(card, tmp_path, change, message):
    folder = card()
    files = {name: data for name, data in (PAIRS | change).items() if data is not None}
    with pytest.raises(UserError, match=f"(?s){message}") as caught:
        fetch.fetch("mine", [str(make_zip(tmp_path / "set.zip", files))])
    assert "Get the set with" not in str(caught.value)
    assert nothing_left(folder) and not list(datasets.CARDS.glob("*.json"))


@pytest.mark.parametrize("inside", [True, False], ids=["below", "elsewhere"])
def test_paths_in_messages_are_relative_to_the_set(card, tmp_path, monkeypatch, inside):
    """The temporary folder is not shown, whether it is below the working directory or not."""
    if inside:
        monkeypatch.chdir(tmp_path)
    card()
    files = {name: data for name, data in PAIRS.items() if name != "deep/folder/gt/b.png"}
    with pytest.raises(UserError, match=r"'gt/b\.png' is missing") as caught:
        fetch.fetch("mine", [str(make_zip(tmp_path / "set.zip", files))])
    assert "unpacked" not in str(caught.value)


HOSTILE_NAMES = ["../evil.png", "/evil.png", "in/../../evil.png", "..\\evil.png", "C:evil.png"]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_names_that_lead_out_of_the_folder_are_refused(card, tmp_path, kind, name):
    folder, archive = card(), tmp_path / f"set.{kind}"
    if kind == "zip":
        make_zip(archive, PAIRS | {name: b"evil"})
    else:
        make_tar(archive, [(member(n), d) for n, d in PAIRS.items()] + [(member(name), b"evil")])
    with pytest.raises(UserError, match=r"set\.(zip|tar) is refused: .*evil"):
        fetch.fetch("mine", [str(archive)])
    assert nothing_left(folder) and not list(tmp_path.rglob("*evil*"))


@pytest.mark.parametrize(
    ("kind", "link"),
    [
        (tarfile.SYMTYPE, "/etc/passwd"), (tarfile.SYMTYPE, "b.png"),
        (tarfile.LNKTYPE, "../../evil"), (tarfile.CHRTYPE, ""), (tarfile.BLKTYPE, ""),
        (tarfile.FIFOTYPE, ""), (tarfile.GNUTYPE_SPARSE, ""),
    ],
)  # fmt: skip
def test_links_and_devices_are_refused(card, tmp_path, kind, link):
    folder = card()
    archive = make_tar(tmp_path / "set.tar.gz", [(member("in/a.png", kind, link), b"")])
    with pytest.raises(UserError, match=r"is refused: 'in/a\.png' is a link, a device"):
        fetch.fetch("mine", [str(archive)])
    assert nothing_left(folder)


def test_a_link_in_a_zip_is_refused(tmp_path):
    info = zipfile.ZipInfo("in/a.png")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(UserError, match=r"'in/a\.png' is a link or a device"):
        unpack(tmp_path / "set.zip", tmp_path / "out")


def test_bombs_are_refused(tmp_path):
    bomb = make_zip(tmp_path / "bomb.zip", {"a.png": bytes(80 * 2**20)})
    assert bomb.stat().st_size < 2**20
    with pytest.raises(UserError, match="unpacks to more than 64 MiB"):
        unpack(bomb, tmp_path / "zip")
    many = make_zip(tmp_path / "many.zip", {f"{i}.png": b"" for i in range(11)})
    with pytest.raises(UserError, match="more than 10 files"):
        unpack(many, tmp_path / "many", Limits(1000, files=10))
    folders = [(member(f"{i}", tarfile.DIRTYPE), b"") for i in range(11)]
    with pytest.raises(UserError, match="more than 10 members"):
        unpack(make_tar(tmp_path / "d.tar", folders), tmp_path / "d", Limits(1000, files=10))


def overwrite(archive, offset, value):
    """Bytes in both headers of a zip's first member. offset: in its own, in the list's 2 more."""
    data = bytearray(archive.read_bytes())
    for magic, start in ((b"PK\x03\x04", offset), (b"PK\x01\x02", offset + 2)):
        at = data.index(magic) + start
        data[at : at + len(value)] = value
    archive.write_bytes(data)


def test_a_zip_that_understates_its_size_is_refused(tmp_path):
    archive = make_zip(tmp_path / "liar.zip", {"a.png": bytes(1000)})
    overwrite(archive, 22, (10).to_bytes(4, "little"))
    with pytest.raises(UserError, match=r"liar\.zip is (damaged|refused)"):
        unpack(archive, tmp_path / "out")


def test_a_name_of_gigabytes_is_refused_before_it_is_read(tmp_path):
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 4 * 2**30
    (tmp_path / "set.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    with pytest.raises(UserError, match="one of its headers is larger"):
        unpack(tmp_path / "set.tar", tmp_path / "out")


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_an_archive_cut_short_is_refused(card, tmp_path, kind):
    folder, archive = card(), tmp_path / f"set.{kind}"
    noise = np.random.default_rng(0).bytes(300_000)
    if kind == "zip":
        make_zip(archive, {"in/a.png": noise})
    else:
        make_tar(archive, [(member("in/a.png"), noise)], "w:gz" if kind[-2:] == "gz" else "w")
    archive.write_bytes(archive.read_bytes()[:150_000])
    with pytest.raises(UserError, match=r"set\.\S+ is (damaged or )?cut short"):
        fetch.fetch("mine", [str(archive)])
    assert nothing_left(folder)


def test_a_compression_that_is_not_known_is_no_damage(tmp_path):
    archive = make_zip(tmp_path / "set.zip", {"a.png": b"1"})
    overwrite(archive, 8, (97).to_bytes(2, "little"))
    with pytest.raises(UserError, match=r"set\.zip cannot be unpacked here .*Unpack it yourself"):
        unpack(archive, tmp_path / "out")


@pytest.mark.parametrize(
    ("number", "remedy"), [(errno.ENOSPC, r"\. Make room"), (errno.EACCES, r"\.$")]
)
def test_an_error_of_the_system_is_no_damage_of_the_archive(tmp_path, monkeypatch, number, remedy):
    archive = make_zip(tmp_path / "set.zip", {"a.png": b"1"})

    def copy(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(unpacking, "_copy", copy)
    with pytest.raises(
        UserError, match=f"cannot be unpacked: .*out: {os.strerror(number)}{remedy}"
    ):
        unpack(archive, tmp_path / "out")


def test_names_that_come_twice_are_refused(tmp_path):
    first = make_zip(tmp_path / "1.zip", {"a.png": b"1"})
    second = make_zip(tmp_path / "2.zip", {"a.png": b"2"})
    unpack(first, tmp_path / "out")
    with pytest.raises(UserError, match=r"2\.zip is refused: '.*a\.png' comes twice"):
        unpack(second, tmp_path / "out")
    assert (tmp_path / "out" / "a.png").read_bytes() == b"1"


def test_a_web_page_instead_of_an_archive_is_refused(tmp_path):
    (tmp_path / "set.zip").write_text("\n<!DOCTYPE html><title>Sign in</title>")
    with pytest.raises(UserError, match=r"web page, not an archive.*with a browser"):
        unpack(tmp_path / "set.zip", tmp_path / "out")


def test_another_checksum_is_refused(card, tmp_path):
    archive = make_zip(tmp_path / "set.zip", PAIRS)
    folder = card(archives=[{"file": "set.zip", "sha256": "0" * 64}])
    with pytest.raises(UserError, match=r"SHA-256 is \w{64}, its card says 0{64}"):
        fetch.fetch("mine", [str(archive)])
    card()
    fetch.fetch("mine", [str(archive)])
    os.rename(folder, tmp_path / "away")
    make_zip(archive, PAIRS | {"more.txt": b"replaced"})
    with pytest.raises(UserError, match=r"mine\.lock\.json has from the first download"):
        fetch.fetch("mine", [str(archive)])
    assert nothing_left(folder)


def test_archives_of_one_name_have_checksums_wherever_they_come_from(card, tmp_path):
    folder = card()

    def archives(place, target):
        found = []
        for part, role in (("1", "in"), ("2", "gt")):
            (tmp_path / place / part).mkdir(parents=True)
            pairs = {n: d + (target if role == "gt" else b"") for n, d in PAIRS.items()
                     if f"/{role}/" in n}  # fmt: skip
            found.append(str(make_zip(tmp_path / place / part / "images.zip", pairs)))
        return found

    fetch.fetch("mine", archives("here", b""))
    os.rename(folder, tmp_path / "away")
    with pytest.raises(UserError, match=r"2/images\.zip is refused.*from the first download"):
        fetch.fetch("mine", archives("elsewhere", b"replaced"))


def test_a_damaged_lock_is_named(card, tmp_path):
    folder, archive = card(), make_zip(tmp_path / "set.zip", PAIRS)
    lock = datasets.CARDS / "mine.lock.json"
    for text, message in (
        ("{", " is not valid JSON"),
        ("[" * 5000, " is not valid JSON"),
        ("[3]", ": Input should be a valid dictionary"),
        ('{"set.zip": 3}', r": set\.zip: Input should be a valid dictionary"),
        ('{"set.zip": {"bytes": 3}}', r": set\.zip\.sha256: Field required"),
        ('{"set.zip": {"sha256": 3}}', r": set\.zip\.sha256: Input should be a valid string"),
    ):
        lock.write_text(text)
        with pytest.raises(
            UserError, match=rf"mine\.lock\.json{message}.*restore it, or delete it"
        ):
            fetch.fetch("mine", [str(archive)])
        assert nothing_left(folder)


def test_what_keeps_a_set_from_being_fetched_is_said_before_the_licence(card):
    folder = card()
    done = CliRunner().invoke(app, ["fetch", "mine"])
    assert "no direct address of an archive, so the set must be downloaded by hand" in str(
        done.exception
    )
    card(archives=[{"file": "set.zip", "url": "https://h/set.zip"}])
    done = CliRunner().invoke(app, ["fetch", "mine"])
    assert "Add --accept-licence" in str(done.exception)
    folder.mkdir(parents=True)
    (folder / "file").touch()
    done = CliRunner().invoke(app, ["fetch", "mine"])
    assert "is there already" in str(done.exception)


def test_without_an_address_the_source_is_named(card):
    card(archives=[{"file": "set.zip"}])
    with pytest.raises(
        UserError, match=r"no direct address of set\.zip, .* Get it from https://ex"
    ):
        fetch.fetch("mine", [])
    for source, message in (("none.zip", "There is no archive"), ("ftp://x/a.zip", "https://")):
        with pytest.raises(UserError, match=message):
            fetch.fetch("mine", [source])


@pytest.mark.parametrize(
    "source",
    [
        "http://[::1/set.zip", "http://[zz]/set.zip", "http://a:99999999/set.zip",
        "http://a:b/set.zip", "http://a/set%00.zip", "http://a/", "http://a/..",
        "http://a/" + "x" * 250 + ".zip", "set\0.zip", "x" * 300, "..", "a/",
        "http://a/\ud800.zip", "http://" + "a" * 70 + "/set.zip", "http://a..b/set.zip",
        "http://*/set.zip", "http:///set.zip", "ftp://a/set.zip", "://set.zip",
    ],
)  # fmt: skip
def test_a_wrong_address_is_named(card, source, monkeypatch):
    """Also in a card. No address here is ever asked."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: pytest.fail("it was asked"))
    card()
    with pytest.raises(UserError):
        fetch.fetch("mine", [source])
    card(archives=[{"file": "set.zip", "url": source}])
    with pytest.raises(UserError):
        fetch.fetch("mine", [])


@pytest.mark.parametrize("file", ["a\0.zip", "x" * 300, "..", "", "\ud800"])
def test_a_wrong_name_of_an_archive_in_a_card_is_named(card, file):
    card(archives=[{"file": file, "url": "http://127.0.0.1:1/set.zip"}])
    with pytest.raises(UserError):
        fetch.fetch("mine", [])


@pytest.fixture
def served(monkeypatch):
    """What each address serves, filled in by a test, and the addresses that were asked."""
    content, asked = {}, []

    def answer(url, part, note):
        asked.append(url)
        part.write_bytes(content[url])

    monkeypatch.setattr(download, "_continue", answer)
    return content, asked


def zip_of(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    make_zip(file, files)
    return file.getvalue()


def test_archives_of_one_name_are_all_downloaded(card, tmp_path, served):
    folder, (content, asked) = card(), served
    parts = {
        f"https://h/{role}/images.zip": {n: d for n, d in PAIRS.items() if f"/{role}/" in n}
        for role in ("in", "gt")
    }
    content.update({url: zip_of(files) for url, files in parts.items()})
    for number in (1, 2):  # the second time, the sums are those of the lock file
        assert fetch.fetch("mine", [*parts]) == {"test": 2}
        assert asked == [*parts] * number
        os.rename(folder, tmp_path / f"away{number}")
    content["https://h/gt/images.zip"] += b"replaced"
    with pytest.raises(UserError, match=r"h/gt/images\.zip is refused: .* from the first download"):
        fetch.fetch("mine", [*parts])


@pytest.mark.parametrize(
    "bad",
    [b"<html>busy</html>", b"\x1f\x8b damaged", b"", b'{"error": "quota"}', zip_of(PAIRS)[:-30]],
    ids=["page", "damaged", "empty", "message", "half"],
)
def test_a_damaged_download_and_a_web_page_are_not_taken_again(card, served, bad):
    card()
    content, asked = served
    address = "https://h/set.zip"
    content[address] = bad
    with pytest.raises(UserError, match=r"is damaged|is a web page|is a message|is cut short"):
        fetch.fetch("mine", [address])
    content[address] = zip_of(PAIRS)
    assert fetch.fetch("mine", [address]) == {"test": 2}
    assert asked == [address] * 2


def test_another_mirror_is_asked_if_the_first_has_a_wrong_set(card, served):
    card()
    content, asked = served
    wrong, right = "https://a/set.zip", "https://b/set.zip"
    content[wrong] = zip_of({"deep/folder/in/a.png": png(0)})
    content[right] = zip_of(PAIRS)
    with pytest.raises(UserError, match="is missing"):
        fetch.fetch("mine", [wrong])
    assert fetch.fetch("mine", [right]) == {"test": 2}
    assert asked == [wrong, right]


def test_an_archive_that_is_given_twice_is_refused(card, tmp_path):
    card()
    archive = str(make_zip(tmp_path / "set.zip", PAIRS))
    for source in (archive, "https://h/set.zip"):
        with pytest.raises(UserError, match=r"--from .*set\.zip is given twice"):
            fetch.fetch("mine", [source, source])


def test_downloads_continue_where_they_broke_off(card, tmp_path, monkeypatch):
    """With a real server: cut after a third, resumed by Range; another file starts again."""
    folder = card()
    noise = np.random.default_rng(0).bytes(900_000)
    (tmp_path / "server").mkdir()
    with servers.apache(tmp_path / "server") as port:
        served = make_zip(tmp_path / "server" / "www" / "set.zip", PAIRS | {"noise": noise})
        served.chmod(0o644)
        os.utime(served, (1e9, 1e9))  # a file as old as published ones are has a strong ETag
        url = f"http://127.0.0.1:{port}/set.zip"
        with (
            servers.cut_after(port, 400_000) as cut,
            monkeypatch.context() as through_proxy,
            pytest.raises(UserError, match="Run the same command again: it continues"),
        ):
            through_proxy.setenv("http_proxy", f"http://127.0.0.1:{cut}")
            for variable in ("no_proxy", "NO_PROXY"):
                through_proxy.delenv(variable, raising=False)
            fetch.fetch("mine", [url])
        (part,) = (folder.parent / ".mine.download").glob("*/set.zip.part")
        have = part.stat().st_size
        assert 0 < have < served.stat().st_size and nothing_left(folder)

        asked = []
        monkeypatch.setattr(download, "_check_range", lambda *values: asked.append(values))
        assert fetch.fetch("mine", [url]) == {"test": 2}
        size = served.stat().st_size
        assert asked == [(f"bytes {have}-{size - 1}/{size}", have)]
        assert not part.parents[1].exists()

        with pytest.raises(UserError, match="404 Not Found"):
            download.download(f"http://127.0.0.1:{port}/none.zip", tmp_path / "none.zip")


def test_a_partial_download_of_a_file_that_was_replaced_starts_again(tmp_path, monkeypatch):
    (tmp_path / "server").mkdir()
    with servers.apache(tmp_path / "server") as port:
        served = tmp_path / "server" / "www" / "set.zip"
        served.write_bytes(b"new content, longer")
        served.chmod(0o644)
        (tmp_path / "set.zip.part").write_bytes(b"old")
        (tmp_path / "set.zip.part.json").write_text('{"version": "\\"1-2\\""}')
        download.download(f"http://127.0.0.1:{port}/set.zip", tmp_path / "set.zip")
    assert (tmp_path / "set.zip").read_bytes() == b"new content, longer"
    assert not list(tmp_path.glob("*.part*"))


def test_a_server_that_does_not_answer_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "PAUSE", 0.0)
    url = f"http://127.0.0.1:{servers.free_port()}/set.zip"
    with pytest.raises(UserError, match=r"could not be downloaded: .*refused"):
        download.download(url, tmp_path / "set.zip")


def test_unchanged_files_are_not_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr(file_index, "CACHE", tmp_path / "cache" / "files.sqlite")
    monkeypatch.setattr(file_index, "FRESH_NANOSECONDS", 0)
    path = tmp_path / "a.png"
    write_png(path, np.zeros((3, 5, 3), np.uint8))
    first = file_index.examine([path])
    assert first[path].sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (first[path].height, first[path].width) == (3, 5)
    read = []
    monkeypatch.setattr(file_index, "checksum", lambda p: read.append(p) or "read again")
    assert file_index.examine([path]) == first and not read
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    os.utime(
        path, ns=(before.st_atime_ns, before.st_mtime_ns)
    )  # the time of modification does not show the change
    assert file_index.examine([path])[path].sha256 == "read again" and read == [path]


def test_facts_of_files_that_have_just_changed_are_not_stored(tmp_path, monkeypatch):
    monkeypatch.setattr(file_index, "CACHE", tmp_path / "files.sqlite")
    path = tmp_path / "a.txt"
    path.write_text("1")
    file_index.examine([path])
    monkeypatch.setattr(file_index, "checksum", lambda _: "read again")
    assert file_index.examine([path])[path].sha256 == "read again"


def test_a_damaged_cache_is_not_used(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(file_index, "CACHE", tmp_path / "files.sqlite")
    (tmp_path / "files.sqlite").write_text("no database, but long enough to be taken for one" * 20)
    (tmp_path / "a.txt").write_text("1")
    assert file_index.examine([tmp_path / "a.txt"])
    assert "files.sqlite cannot be used" in capsys.readouterr().out
