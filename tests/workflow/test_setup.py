"""The packages that are installed: declared by group, pinned, with hashes, from no named host."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from itertools import combinations

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from benchmark.core.paths import ROOT
from tests.preloaded import python
from tools.licences import NOT_INSTALLED, remark, table

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
EXTRAS = PROJECT["optional-dependencies"]
# A checkout's environment for runs has what the package needs, with its extras for runs.
RUN = [*PROJECT["dependencies"], *EXTRAS["run"], *EXTRAS["pyiqa"]]
GROUPS = {"run": RUN, **PYPROJECT["dependency-groups"]}
LOCKS = ROOT / "requirements"
OWN = {"benchmark", "methods", "tests", "tools", "package", "examples"}
# Installed by hand: for HEIC photographs (docs/own-photos.md); the group `references`, for
# tests/golden.
OPTIONAL = {"pillow_heif", "kornia", "piq", "sewar", "torchmetrics"}
# Installed by hand for more networks; part of another package, without which a test skips.
OPTIONAL |= {"spandrel_extra_arches", "google"}
PLATFORMS = [
    {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64"},
    {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "aarch64"},
    {"sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "arm64"},
]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


def requirements(group):
    """What a group names in pyproject.toml, with the groups that it includes."""
    for entry in GROUPS[group]:
        if isinstance(entry, dict):
            yield from requirements(entry["include-group"])
        else:
            yield Requirement(entry)


def locked(group):
    """The packages of a group's lock: (requirement, hashes)."""
    text = (LOCKS / f"{group}.lock").read_text(encoding="utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        if not line.startswith("#"):
            name, *hashes = line.split("--hash=")
            yield Requirement(name), [value.strip() for value in hashes]


def versions(group, environment):
    """{name: version} of a lock on a platform; an error if a package is there twice."""
    found = {}
    for requirement, _ in locked(group):
        if requirement.marker is None or requirement.marker.evaluate(environment):
            assert requirement.name not in found, requirement.name
            found[requirement.name] = str(requirement.specifier)
    return found


def imported(*tops):
    """{module: a file that imports it}, without own, optional and standard library's modules."""
    found = {}
    for path in (path for top in tops for path in (ROOT / top).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module]
            else:
                continue
            found |= {name.split(".")[0]: path.relative_to(ROOT) for name in names}
    return {k: v for k, v in found.items() if k not in OWN | OPTIONAL | sys.stdlib_module_names}


def undeclared(imports, *groups):
    declared = {canonicalize_name(r.name) for group in groups for r in requirements(group)}
    owners = packages_distributions()
    return [
        f"{path} imports {module}"
        for module, path in imports.items()
        if not declared & {canonicalize_name(name) for name in owners.get(module, [])}
    ]


def test_every_import_of_a_run_is_declared():
    imports = imported("benchmark", "methods", "tools")
    assert {"torch", "yaml", "cv2"} < imports.keys()
    assert not undeclared(imports, "run", "ui")


def test_the_page_needs_the_same_in_a_checkout_and_in_the_package():
    assert EXTRAS["ui"] == GROUPS["ui"]


def test_every_import_of_the_tests_is_declared():
    assert not undeclared(imported("tests"), "run", "test")


def test_every_group_has_a_lock_that_setup_and_audit_know():
    assert {path.stem for path in LOCKS.iterdir()} == GROUPS.keys()
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert set(re.search(r"^ALL_GROUPS := (.*)$", makefile, re.M)[1].split()) == GROUPS.keys()


@pytest.mark.parametrize("group", GROUPS)
def test_a_lock_pins_every_package_with_hashes_and_names_no_host(group):
    for requirement, hashes in locked(group):
        assert re.fullmatch(r"==[^*,]+", str(requirement.specifier)), requirement
        assert hashes and all(re.fullmatch(r"sha256:[0-9a-f]{64}", h) for h in hashes), requirement
        assert requirement.url is None
    text = (LOCKS / f"{group}.lock").read_text(encoding="utf-8")
    assert not re.search(r"://|^\s*-[^-]|--(?!hash=)|\bindex\b", text, re.M)


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda p: "-".join(p.values()))
@pytest.mark.parametrize("python", PYTHONS)
def test_a_lock_has_what_its_group_names(group, platform, python):
    environment = platform | {"python_version": python, "python_full_version": f"{python}.0"}
    found = versions(group, environment)
    for requirement in requirements(group):
        if requirement.marker is None or requirement.marker.evaluate(environment):
            version = found[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(version.removeprefix("==")), requirement


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda p: "-".join(p.values()))
def test_locks_agree(platform):
    """So groups can be installed into one environment, in any order."""
    found = {group: versions(group, platform) for group in GROUPS}
    for a, b in combinations(GROUPS, 2):
        for name in found[a].keys() & found[b].keys():
            assert found[a][name] == found[b][name], f"{name} of {a} and {b}"


def test_torch_and_torchvision_are_a_pair():
    pairs = [
        {name: versions("run", platform)[name] for name in ("torch", "torchvision")}
        for platform in PLATFORMS
    ]
    new = {"torch": "==2.14.1", "torchvision": "==0.29.1"}
    assert pairs == [new, {"torch": "==2.9.1", "torchvision": "==0.24.1"}, new]


def test_the_page_of_licences_names_every_package_with_a_remark():
    page = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
    rows = [row for row in table(list(GROUPS)) if row[3] != NOT_INSTALLED]
    assert len(rows) > 200
    for name, _, _, said, what in rows:
        shown = "nvidia-*" if name.startswith("nvidia-") else name
        assert not what or f"`{shown}`" in page, f"{name}: {said}"


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("MIT", ""),
        ("PolyForm-Noncommercial-1.0.0", "non-commercial"),
        ("CC-BY-NC-SA-4.0", "non-commercial"),
        ("LGPL-2.1-or-later", "copyleft"),
        ("GNU Affero General Public License v3", "copyleft"),
        ("MPL-2.0 AND MIT", "copyleft"),
        ("LicenseRef-NVIDIA-Proprietary", "proprietary"),
        ("UNKNOWN", "unknown"),
    ],
)
def test_remarks_on_licences(said, kind):
    assert remark(said) == kind


WITHOUT_PYIQA = """\
import pkgutil, sys
assert "pyiqa" not in sys.modules
import numpy as np

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "pyiqa":
            raise ModuleNotFoundError(f"No module named {name!r}", name="pyiqa")

sys.meta_path.insert(0, Blocked())
import benchmark, methods
from benchmark.core.errors import UserError
for package in (benchmark, methods):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.endswith("__main__"):
            __import__(module.name)
from benchmark.scoring.metrics import metrics_of
from benchmark.scoring.score import score_pair

target = np.random.default_rng(0).integers(0, 255, (192, 192, 3)).astype(np.uint8)
for row in score_pair(target // 2, target, metrics_of(["rgb", "y-matlab", "lpips-alex"])):
    print(row["protocol"], row["metric"], row["status"])
for protocol in ("no-reference", "pyiqa"):
    try:
        score_pair(target // 2, target, metrics_of([protocol]))
    except UserError as error:
        print(error)
"""


def test_without_pyiqa_all_but_its_protocols_work():
    done = subprocess.run([python(), "-c", WITHOUT_PYIQA], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 7
    assert all(re.fullmatch(r"(rgb|y-matlab|lpips-alex) \w+ ok", line) for line in lines[:5])
    for line in lines[5:]:
        assert "need the package pyiqa, which is not installed. Leave them out" in line


def make(folder, *arguments):
    # The options of a 'make test' around it are not its own.
    own = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = ["make", *arguments]
    return subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        (("benchmark", "config=config/smoke.yaml"), ["config=config/smoke.yaml", "CONFIG"]),
        (("setup", "groups=docs"), ["groups=docs", "GROUPS"]),
        (("setup", "GROUPS=docs typo"), ["GROUPS=typo", *GROUPS]),
    ],
)
def test_make_refuses_a_name_in_lower_case_and_an_unknown_group_at_once(arguments, messages):
    done = make(ROOT, "--dry-run", *arguments)
    assert done.returncode == 2 and not done.stdout
    assert all(message in done.stderr for message in messages)


def test_make_setup_says_at_its_end_what_comes_next(tmp_path):
    """With stand-ins for an environment that is installed."""
    for file in ("requirements/run.lock", ".venv/bin/python", ".venv/installed-run"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    shutil.copy(ROOT / "Makefile", tmp_path)
    done = make(tmp_path, "setup")
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert "is ready" in line and "make benchmark" in line
