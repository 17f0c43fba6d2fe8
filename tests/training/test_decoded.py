"""Images decoded once: equal pixels in all processes, bounded memory, faults that do not stop."""

import os
import pickle
import time

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from benchmark.core.errors import UserError
from benchmark.core.image_io import read_image, write_png
from benchmark.training import crops, decoded
from benchmark.training.decoded import decode
from tests.forks import forked


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.setattr(decoded, "FOLDER", tmp_path / "cache")
    monkeypatch.setattr(decoded, "SHARD_BYTES", 2000)
    found = []
    for number, size in enumerate([(12, 20), (9, 7), (30, 31), (5, 40)]):
        pixels = np.random.default_rng(number).integers(0, 256, (*size, 3), np.uint8)
        write_png(tmp_path / f"{number}.png", pixels)
        found.append(tmp_path / f"{number}.png")
    return found


def caches():
    return sorted(path for path in decoded.FOLDER.iterdir() if path.is_dir())


def test_pixels_are_those_of_the_files_in_shards(files):
    images = decode(files, 2**20)
    assert len(images) == 4
    for file, pixels in zip(files, images, strict=True):
        assert (pixels == read_image(file)).all()
        assert pixels.dtype == np.uint8 and not pixels.flags.writeable
    # The third image is larger than a shard, and has one of its own.
    assert sorted(path.name for path in caches()[0].glob("*.u8")) == ["0.u8", "1.u8", "2.u8"]


def test_files_are_decoded_once_and_again_if_they_change(files, monkeypatch):
    decode(files, 2**20)
    decoded._decode.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(decoded, "read_image", None)
        assert len(decode(files, 2**20)) == 4
    write_png(files[1], np.zeros((3, 3, 3), np.uint8))
    assert decode(files, 2**20)[1].shape == (3, 3, 3)
    assert len(caches()) == 2


def test_without_room_no_file_is_read_and_no_cache_is_made(files, monkeypatch):
    monkeypatch.setattr(decoded, "read_image", None)
    assert len(decode(files, 0)) == 0
    assert not decoded.FOLDER.exists()


def test_files_are_decoded_again_if_what_decodes_them_changes(files, monkeypatch):
    decode(files, 2**20)
    monkeypatch.setattr(decoded, "_decoder", lambda: "another")
    decode(files, 2**20)
    assert len(caches()) == 2


def test_what_decodes_them_is_told_by_the_sources_of_the_room_core(tmp_path, monkeypatch):
    digests = []
    for text in ("a = 1", "a = 2", "a = 2"):
        (tmp_path / "image_io.py").write_text(text)
        monkeypatch.setattr(decoded.image_io, "__file__", str(tmp_path / "image_io.py"))
        decoded._decoder.cache_clear()
        digests.append(decoded._decoder())
    decoded._decoder.cache_clear()
    assert digests[0] != digests[1] == digests[2]


def test_processes_that_need_the_same_images_decode_them_once(files, tmp_path, monkeypatch):
    def counted(file):
        (tmp_path / f"{file.name}-{os.getpid()}").touch()
        return read_image(file)

    monkeypatch.setattr(decoded, "read_image", counted)
    processes = [forked(lambda: decode(files, 2**20)) for _ in range(3)]
    assert [process.wait(timeout=30) for process in processes] == [0, 0, 0]
    assert len(list(tmp_path.glob("*.png-*"))) == 4


def test_a_loader_process_that_is_not_forked_gets_no_pixels(files):
    """As in Python 3.14, whose loader processes come from a fork server."""
    pairs = [(files[0], files[0]), (files[2], files[2])]
    data = crops.crops(pairs, 8, 0, 0, 4)
    expected = [data[i] for i in range(4)]  # the files are mapped now
    assert len(pickle.dumps(data)) < 2000 < read_image(files[2]).nbytes
    loader = DataLoader(data, 1, num_workers=1, multiprocessing_context="forkserver")
    for batch, pair in zip(loader, expected, strict=True):
        assert all(torch.equal(a[0], b) for a, b in zip(batch, pair, strict=True))


def test_what_cannot_be_written_is_decoded_at_each_use(files, monkeypatch, capsys):
    decoded.FOLDER.parent.mkdir(exist_ok=True)
    decoded.FOLDER.write_text("in the way")
    assert len(decode(files, 2**20)) == 0
    assert "decoded at each use" in capsys.readouterr().err
    assert len(crops.crops(files, 8, 0, 0, 2)) == 2


def test_a_damaged_image_is_named_and_leaves_nothing(files):
    files[3].write_bytes(b"no image")
    with pytest.raises(UserError, match=r"3\.png"):
        decode(files, 2**20)
    assert not caches()


def test_caches_that_are_not_used_are_deleted(files):
    decode(files, 2**20)
    old = caches()[0]
    long_ago = time.time() - 86400 * (decoded.KEPT_DAYS + 1)
    os.utime(old, (long_ago, long_ago))
    decode(files[:2], 2**20)
    assert old not in caches() and len(caches()) == 1
