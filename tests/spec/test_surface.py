"""The names that method files import from `benchmark`; they must stay when modules are moved."""

import subprocess
import sys

import pytest

import benchmark
from benchmark import UserError
from benchmark.spec import registry

SURFACE = {
    "ALL_WEATHERS", "Alternatives", "Card", "LearnedMethod", "Method", "Settings", "UserError",
    "evaluate",    "WeightsMissing", "to_float", "to_uint8",
}  # fmt: skip


def test_the_names_that_method_files_import_are_these():
    assert set(benchmark.__all__) == SURFACE
    for name in SURFACE:
        assert getattr(benchmark, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="NoSuchName"):
        _ = benchmark.NoSuchName


def test_importing_the_suite_imports_neither_torch_nor_opencv():
    code = "import sys, benchmark; assert not {'torch', 'cv2', 'pandas'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "line",
    [
        "from benchmark.method import Card, Method",
        "from benchmark.images import to_float",
        "import benchmark.images",
    ],
)
def test_an_outdated_import_is_an_error_that_names_the_new_one(line, tmp_path, monkeypatch):
    (tmp_path / "median_of_before.py").write_text(line + "\n")
    monkeypatch.setattr(registry, "FOLDER", tmp_path)
    monkeypatch.setattr("methods.__path__", [str(tmp_path)])
    with pytest.raises(UserError, match=r"median_of_before.py.*from benchmark import"):
        registry.load("median_of_before")


def test_another_missing_package_is_not_reported_as_a_module_of_the_suite(tmp_path, monkeypatch):
    (tmp_path / "wants_more.py").write_text("import no_such_package\n")
    monkeypatch.setattr(registry, "FOLDER", tmp_path)
    monkeypatch.setattr("methods.__path__", [str(tmp_path)])
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        registry.load("wants_more")
