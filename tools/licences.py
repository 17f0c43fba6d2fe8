"""Prints the licences of the locked packages as a Markdown table (docs/licences.md).

    .venv/bin/python tools/licences.py             # all groups of packages
    .venv/bin/python tools/licences.py run docs    # some of them

A package's licence is what its metadata say, else the first line of its licence file, else
UNKNOWN. A package that another platform needs is left out.
"""

import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

LOCKS = Path(__file__).resolve().parent.parent / "requirements"
UNKNOWN = "UNKNOWN"
NOT_INSTALLED = "not installed"
# What a reader should look at, in the order of importance: the first pattern that matches.
REMARKS = {
    "non-commercial": r"non-?commercial|-NC\b",
    "proprietary": r"proprietary",
    "copyleft": r"GPL|MPL|EPL|GNU|Mozilla",
    "unknown": rf"^{UNKNOWN}$",
}


def locked(group: str) -> Iterator[Requirement]:
    """The packages of requirements/GROUP.lock that this platform needs, each `name==version`."""
    for line in (LOCKS / f"{group}.lock").read_text(encoding="utf-8").splitlines():
        if line[:1].isalnum():
            requirement = Requirement(line.rstrip(" \\"))
            if requirement.marker is None or requirement.marker.evaluate():
                yield requirement


def licence(package: Distribution) -> str:
    """The licence by the metadata or the licence file of an installed package, in one line."""
    expression = package.metadata.get("License-Expression")
    if expression:
        return expression
    said = [
        classifier.split(" :: ")[-1]
        for classifier in package.metadata.get_all("Classifier") or []
        if classifier.startswith("License :: ") and classifier != "License :: OSI Approved"
    ]
    field = (package.metadata.get("License") or "").strip()
    # The field is a name, UNKNOWN, or the licence's whole text.
    if field and "\n" not in field and field != "UNKNOWN" and field not in said:
        said.append(field)
    return "; ".join(said) or _first_line(package) or UNKNOWN


def _first_line(package: Distribution) -> str:
    """The first line of a package's own licence file, '' without one."""
    for file in package.files or []:
        if ".dist-info" in str(file) and re.match(r"LICEN[CS]E|COPYING", file.name, re.IGNORECASE):
            return file.read_text(encoding="utf-8").strip().splitlines()[0].strip()
    return ""


def remark(said: str) -> str:
    """The kind of licence that a reader should look at, '' for a permissive one."""
    found = (kind for kind, words in REMARKS.items() if re.search(words, said, re.IGNORECASE))
    return next(found, "")


def table(groups: list[str]) -> list[tuple[str, str, str, str, str]]:
    """One row a package, by name: name, version, groups, licence, remark."""
    of_package: dict[tuple[str, str], list[str]] = {}
    for group in groups:
        for requirement in locked(group):
            version = str(requirement.specifier).removeprefix("==")
            of_package.setdefault((requirement.name, version), []).append(group)
    rows = []
    for (name, version), members in sorted(of_package.items()):
        try:
            said = licence(distribution(name))
        except PackageNotFoundError:
            said = NOT_INSTALLED
        rows.append((name, version, ", ".join(members), said, remark(said)))
    return rows


def main(groups: list[str]) -> None:
    known = sorted(path.stem for path in LOCKS.glob("*.lock"))
    if unknown := set(groups) - set(known):
        sys.exit(f"There is no group {', '.join(sorted(unknown))}. Groups: {', '.join(known)}.")
    print("| package | version | groups | licence | remark |\n|---|---|---|---|---|")
    for row in table(groups or known):
        print("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |")


if __name__ == "__main__":
    main(sys.argv[1:])
