"""Whatever goes wrong while a file is read, the error names the file and says what to do."""

import errno
import json
import os
from pathlib import Path

import pandas as pd
import pytest
import yaml
from pydantic import BaseModel
from safetensors.torch import load_file

from benchmark.core import foreign_checkpoints, weights
from benchmark.core.caffe import read_caffemodel
from benchmark.core.errors import NotWritten, UserError
from benchmark.core.image_io import image_size, read_image
from benchmark.core.json_io import loads, read_json
from benchmark.core.reading import reading
from benchmark.core.validation import parse, read_yaml
from benchmark.results.schema import SCORES
from benchmark.results.tables import read_table

PARSERS = {
    "valid JSON": lambda path: json.loads(path.read_text(encoding="utf-8")),
    "valid YAML": lambda path: yaml.safe_load(path.read_text(encoding="utf-8")),
    "a readable CSV": pd.read_csv,
    "a whole safetensors file": load_file,
}
DAMAGED = {
    "valid JSON": (b"{", b"[" * 5000, b"\xff", b"1" * 5000),
    "valid YAML": (b"a: [1", b"[" * 1000, b"\xff", b"a: " + b"1" * 5000),
    "a readable CSV": (b"", b'a,b\n1,"', b"a\n1,2\n1,2,3\n", b"a\n\xff\n"),
    "a whole safetensors file": (b"", b"{}", b"\xff" * 99),
}


def read(path, kind):
    with reading(path, kind, "get it again"):
        return PARSERS[kind](path)


@pytest.mark.parametrize(("kind", "content"), [(k, c) for k in DAMAGED for c in DAMAGED[k]])
def test_a_damaged_file_is_named(tmp_path, kind, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        read(path, kind)
    assert str(caught.value).startswith(f"{path} is not {kind} (")
    assert str(caught.value).endswith("); get it again.")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", PARSERS)
def test_a_missing_file_and_a_folder_are_named(tmp_path, kind):
    with pytest.raises(UserError, match=r"file is missing; get it again\.$"):
        read(tmp_path / "file", kind)
    if kind != "a whole safetensors file":  # safetensors gives no number of the error
        with pytest.raises(UserError, match="cannot be read: Is a directory; get it again"):
            read(tmp_path, kind)


@pytest.mark.parametrize("level", [51, 400, 5000])
@pytest.mark.parametrize("brackets", ["[]", '{"a":}'])
def test_values_that_are_nested_too_deep_are_refused(tmp_path, level, brackets):
    opening, closing = brackets[:-1], brackets[-1]
    (tmp_path / "a.json").write_text(opening * level + "0" + closing * level)
    with pytest.raises(UserError, match=r"a\.json is not valid JSON"):
        read_json(tmp_path / "a.json")


@pytest.mark.parametrize("kind", ["pipe", "link to a pipe", "device"])
def test_what_is_no_regular_file_is_not_opened(tmp_path, kind):
    pipe, link = tmp_path / "pipe", tmp_path / "link to a pipe"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    path = Path("/dev/zero") if kind == "device" else tmp_path / kind
    readers = (
        read_json, read_yaml, read_image, image_size,
        lambda path: read_table(path, SCORES, "again"), foreign_checkpoints.read,
        foreign_checkpoints.read_safetensors, read_caffemodel, weights.exported_facts,
    )  # fmt: skip
    for reader in readers:
        with pytest.raises(UserError, match="it is a pipe, a socket or a device"):
            reader(path)


def test_a_text_that_is_too_long_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmark.core.reading.MOST_TEXT", 5)
    (tmp_path / "a.json").write_text("[1,2]")
    assert read_json(tmp_path / "a.json") == [1, 2]
    (tmp_path / "a.json").write_text("[1,2,3]")
    with pytest.raises(UserError, match="it has 7 bytes, more than 5"):
        read_json(tmp_path / "a.json")


def test_a_missing_permission_is_named():
    message = r"^x cannot be read: Permission denied; make it readable for your user\.$"
    with pytest.raises(UserError, match=message), reading("x", "valid JSON", "get it again"):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "x")


def test_an_error_without_a_text_is_named_by_its_type():
    message = r"x is not valid JSON \(KeyError\); again\."
    with pytest.raises(UserError, match=message), reading("x", "valid JSON", "again"):
        raise KeyError


@pytest.mark.parametrize("error", [UserError("mine"), NotWritten("mine"), MemoryError("mine")])
def test_errors_that_are_not_the_parsers_pass_unchanged(error):
    with pytest.raises(type(error), match=r"^mine$"), reading("x", "valid JSON", "again"):
        raise error


def test_ctrl_c_passes():
    with pytest.raises(KeyboardInterrupt), reading("x", "valid JSON", "again"):
        raise KeyboardInterrupt


def test_a_sound_file_is_read(tmp_path):
    (tmp_path / "a.json").write_text('{"a": "é"}', encoding="utf-8")
    assert read_json(tmp_path / "a.json") == read_yaml(tmp_path / "a.json") == {"a": "é"}
    with pytest.raises(ValueError, match="surrogates"):
        loads('"\\ud800"')


class Model(BaseModel):
    a: int
    b: str = ""


def test_values_that_do_not_fit_a_model_are_named_by_key():
    assert parse(Model, {"a": 3}, "x") == Model(a=3)
    with pytest.raises(UserError) as caught:
        parse(Model, {"a": "y", "b": 3}, "file.yaml", "correct it")
    lines = str(caught.value).splitlines()
    assert [line.split(": Input")[0] for line in lines] == ["file.yaml: a", "file.yaml: b"]
    assert lines[-1].endswith("; correct it.")


def test_a_yaml_file_that_is_not_there_is_told_the_nearest_name(tmp_path):
    (tmp_path / "smoke.yaml").touch()
    with pytest.raises(UserError, match=r"smok\.yaml is missing\. Did you mean '.*/smoke\.yaml'\?"):
        read_yaml(tmp_path / "smok.yaml")
    with pytest.raises(UserError, match=r"x\.yaml is missing; check its name"):
        read_yaml(tmp_path / "x.yaml")
