"""Paths in messages are quoted, paths in tables are not."""

from pathlib import Path

from benchmark.core.paths import ROOT, fits_files, from_root, is_utf8, shown


def test_a_path_in_a_message_is_quoted_and_relative_to_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shown(tmp_path / "a b" / "new\nline.png") == r"'a b/new\nline.png'"
    assert shown(Path("a.png")) == "'a.png'"
    assert shown(tmp_path.parent / "a.png") == repr(str(tmp_path.parent / "a.png"))


def test_a_path_in_a_table_is_relative_to_the_repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert from_root(ROOT / "data" / "a b.png") == "data/a b.png"
    assert from_root(tmp_path / "a.png") == str(tmp_path / "a.png")


def test_names_that_tables_and_file_systems_refuse():
    assert is_utf8("é") and not is_utf8("\udcff")
    assert fits_files("a/b") and fits_files("x" * 255)
    assert not fits_files("x" * 256) and not fits_files("a\0b") and not fits_files("é" * 128)
    assert not fits_files("/".join(["x" * 200] * 30))
