"""Wrong binary files: weights, checkpoints, archives, the cache of examined files."""

import bz2
import gzip
import io
import lzma
import shutil
import tarfile
import zipfile
from collections import deque
from functools import cache
from pathlib import Path, PurePosixPath
from random import Random

import numpy as np
import torch
import yaml

from benchmark.core import foreign_checkpoints, weights
from benchmark.core.caffe import read_caffemodel
from benchmark.core.convert_weights import convert
from benchmark.core.paths import ROOT
from benchmark.data import fetch, file_index
from benchmark.data.unpack import unpack
from benchmark.results import training_record
from benchmark.scoring.metrics import no_reference, perceptual
from benchmark.spec.registry import load
from benchmark.spec.training_settings import Training
from benchmark.training import loop
from benchmark.training.state import checkpoint_path
from benchmark.weather import WEATHERS
from tests.campaigns import mutations
from tests.campaigns.targets.common import CARD, cards_in, contents, write, wrong_json, wrong_yaml
from tests.campaigns.targets.images import pictures
from tests.core.test_caffe import net

NETWORK = {"network": {"width": 8, "multipliers": [1, 2], "blocks": 1}}
FACTS = {"status": "ok", "steps": 6, "seconds": 1.5, "flops": 10, "settings": {"steps": 6}}
STEPS = {"steps": 3, "stages": [{"share": 1, "batch": 1, "crop": 16}], "warmup": 1, "workers": 0}
COMPRESSED = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
KINDS = ("zip", "stored", "tar", *COMPRESSED)
MEMBERS = [(f"set/{part}/{name}.png", pictures()[0][1]) for part in ("in", "gt") for name in "ab"]
NAMES = ("../x.png", "/x.png", "a\\x.png", "in/a.png", "", ".", "in", "x" * 300, "\n", "é.png")


def _method():
    torch.manual_seed(0)
    kind = load("regression")
    return kind(kind.Parameters(**NETWORK))


@cache
def _network():
    return _method().network


def weight_file(folder: Path, random: Random):
    """A file of export-weights with changed bytes or changed facts about its training."""
    path, raw, good = (folder / name for name in ("weights.safetensors", "raw", "good"))
    if not good.exists():
        weights.save(_network(), raw)
        weights.export(raw, good, FACTS)
    if random.random() < 0.2:
        weights.export(raw, path, mutations.of_tree(FACTS, random))
    else:
        write(path, mutations.of_bytes(good.read_bytes(), random))
    yield path.name
    network = _method().build()
    weights.load(network, path)
    facts = training_record.check(weights.exported_facts(path), f"{path}: training")
    assert facts["status"] and facts.get("reason", "") is not None


def torch_checkpoint(folder: Path, random: Random):
    buffer = io.BytesIO()
    content = {"state_dict": {"a.weight": torch.ones(3, 3)}, "epoch": 3, "name": "x"}
    legacy = random.random() < 0.5
    torch.save(content, buffer, _use_new_zipfile_serialization=not legacy)
    path = write(folder / "weights.pth", mutations.of_bytes(buffer.getvalue(), random))
    yield path.name
    foreign_checkpoints.read(path)


def converted_checkpoint(folder: Path, random: Random):
    """A checkpoint with objects of other classes, which `convert-weights` leaves out."""
    buffer = io.BytesIO()
    others = {"log": deque([1]), "from": PurePosixPath("x"), "best": np.float64(3)}
    torch.save({"state_dict": {"a.weight": torch.ones(3, 3)}, **others}, buffer)
    path = write(folder / "weights.pth", mutations.of_bytes(buffer.getvalue(), random))
    yield path.name
    convert(path, folder / "out.safetensors")


def caffe_model(folder: Path, random: Random):
    model = net().SerializeToString()
    path = write(folder / "weights.caffemodel", mutations.of_bytes(model, random))
    yield path.name
    read_caffemodel(path)


def training_checkpoint(folder: Path, random: Random):
    """The checkpoint of an interrupted training, with changed bytes or changed content."""
    settings = Training(**STEPS, log_steps=1, checkpoint_seconds=1e-9)
    settings = loop.resolve(settings, torch.device("cpu"))
    identity = loop.own_identity(settings, 0, WEATHERS)
    good, path = folder / "good.pt", checkpoint_path(folder / "train", identity)
    photo = write(folder / "photo.png", pictures()[0][1])
    if not good.exists():
        _interrupted(photo, settings, path.parent)
        shutil.copy(path, good)
    if random.random() < 0.5:
        write(path, mutations.of_bytes(good.read_bytes(), random))
    else:
        content = torch.load(good, weights_only=True)
        # The format of the optimiser's state is torch's own: it is there or not.
        kept = {name: content.pop(name) for name in ("optimizer", "schedule")}
        kept = kept if random.random() < 0.9 else {}
        torch.save(mutations.of_tree(content, random) | kept, path)
    yield path.name
    facts = loop.train(_method(), [photo], settings, 0, path.parent)
    assert facts["steps"] == settings.steps


def _interrupted(photo: Path, settings: Training, folder: Path) -> None:
    method = _method()
    loss, calls = method.loss, []

    def stopping(*batch):
        calls.append(batch)
        if len(calls) == settings.steps:
            raise InterruptedError
        return loss(*batch)

    method.loss = stopping
    try:
        loop.train(method, [photo], settings, 0, folder)
    except InterruptedError:
        return


def metric_weights(folder: Path, random: Random):
    name = random.choice(("lpips_alexnet_features.safetensors", "niqe_pris_params.npz"))
    data = (ROOT / "data/weights" / name).read_bytes()
    path = folder / name
    head = mutations.of_bytes(data[:4000], random)  # it has the names and shapes
    write(path, head + data[4000:] if random.random() < 0.5 else mutations.of_bytes(data, random))
    yield path.name
    if path.suffix == ".npz":
        no_reference._prior(path)
    else:
        perceptual.lpips_network.__wrapped__(path)


def _packed(kind: str, members: list[tuple[str, bytes]], random: Random) -> bytes:
    """An archive of members. The tar inside a compressed one may be wrong."""
    buffer = io.BytesIO()
    if kind in ("zip", "stored"):
        method = zipfile.ZIP_STORED if kind == "stored" else zipfile.ZIP_DEFLATED
        with zipfile.ZipFile(buffer, "w", method) as archive:
            for name, data in members:
                archive.writestr(name or "x", data)
        return buffer.getvalue()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            info.type = random.choice((*[tarfile.REGTYPE] * 9, tarfile.SYMTYPE, tarfile.CHRTYPE))
            archive.addfile(info, io.BytesIO(data))
    data = buffer.getvalue()
    if kind == "tar":
        return data
    data = mutations.of_bytes(data, random) if random.random() < 0.5 else data
    return COMPRESSED[kind](data)


def _archive(folder: Path, random: Random) -> Path:
    """An archive of two pairs of images, often with wrong bytes or a wrong member's name."""
    kind, members = random.choice(KINDS), [*MEMBERS]
    if random.random() < 0.3:
        members[random.randrange(4)] = (random.choice(NAMES), MEMBERS[0][1])
    packed = _packed(kind, members, random)
    packed = mutations.of_bytes(packed, random) if random.random() < 0.7 else packed
    return write(folder / "set.archive", packed)


def archive(folder: Path, random: Random):
    """An archive is unpacked. Nothing may be written outside its folder."""
    out = folder / "place" / "unpacked"
    shutil.rmtree(out.parent, ignore_errors=True)
    out.parent.mkdir()
    path = _archive(folder, random)
    yield path.name
    try:
        unpack(path, out)
    finally:
        outside = [file for file in contents(folder) if out not in file.parents]
        assert outside == [path], f"written elsewhere: {outside}"


def fetched_set(folder: Path, random: Random):
    """A data set is fetched: wrong archive, card or checksums of the first download."""
    place, cards = folder / "sets" / "mine", folder / "cards"
    shutil.rmtree(place, ignore_errors=True)
    pattern = {"input": "in/{photo}.png", "target": "gt/{photo}.png"}
    card = {**CARD, "path": str(place), "pairs": {"test": 2}, "splits": {"test": pattern}}
    source, sums = folder / "set.archive", {"set.archive": {"sha256": "0" * 64}}
    chosen = random.choice(("archive", "card", "lock"))
    lock = cards / "mine.lock.json"
    lock.unlink(missing_ok=True)
    if chosen == "archive":
        _archive(folder, random)
    else:
        write(source, _packed("zip", MEMBERS, random))
    if chosen == "lock":
        write(lock, wrong_json(sums, random))
    text = wrong_yaml(card, random) if chosen == "card" else yaml.safe_dump(card)
    # A changed path could lie in the repository: only cards with the set's path are used.
    text = text if str(place) in text else yaml.safe_dump(card)
    write(cards / "mine.yaml", text)
    with cards_in(cards):
        yield source.name, "mine.yaml", "'mine'", lock.name, str(place)
        try:
            fetch.fetch("mine", [str(source)])
        except Exception:
            assert not place.exists(), "a refused set is there"
            raise


def cache_of_files(folder: Path, random: Random):
    """The cache of examined files. If it is damaged, the files are read again."""
    path, good = folder / "files.sqlite", folder / "good.sqlite"
    files = [ROOT / "data.dvc", ROOT / "LICENSE", ROOT / "README.md"]
    file_index.CACHE, before = path, file_index.CACHE
    try:
        if not good.exists():
            file_index.examine(files)
            shutil.copy(path, good)
        for leftover in folder.glob("files.sqlite*"):
            leftover.unlink()
        write(path, mutations.of_bytes(good.read_bytes(), random))
        yield path.name
        assert file_index.examine(files).keys() == set(files)
    finally:
        file_index.CACHE = before


TARGETS = {
    "weights (safetensors)": weight_file,
    "checkpoint (torch)": torch_checkpoint,
    "checkpoint that is converted": converted_checkpoint,
    "Caffe model": caffe_model,
    "checkpoint of a training": training_checkpoint,
    "metric weights": metric_weights,
    "archive": archive,
    "set that is fetched": fetched_set,
    "cache of examined files": cache_of_files,
}
