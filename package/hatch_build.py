"""Puts the weights into the wheel and the sdist: pulled into data/, or from the DVC remote here.

`pip install .` then needs no 'dvc pull' before it.
"""

import json
import re
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

WEIGHTS = "data/weights/"


class WeightsHook(BuildHookInterface):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before a build. version: 'standard', or 'editable', which needs no weights."""
        if version != "editable":
            prefix = "unweather/" if self.target_name == "wheel" else ""
            for name, file in weight_files(Path(self.root)).items():
                build_data["force_include"][str(file)] = f"{prefix}{name}"


def weight_files(root: Path) -> dict[str, Path]:
    """The weight files, by their path in a project."""
    pulled = sorted((root / WEIGHTS).rglob("*.*"))
    if pulled:
        return {path.relative_to(root).as_posix(): path for path in pulled}
    store = root / "data-store" / "files" / "md5"
    md5 = re.search(r"md5: (\w+\.dir)", (root / "data.dvc").read_text(encoding="utf-8"))[1]
    try:
        listed = json.loads((store / md5[:2] / md5[2:]).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RuntimeError("The weights are not here. Run 'dvc pull', then build again.") from error
    return {
        f"data/{entry['relpath']}": store / entry["md5"][:2] / entry["md5"][2:]
        for entry in listed
        if f"data/{entry['relpath']}".startswith(WEIGHTS)
    }
