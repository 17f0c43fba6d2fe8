"""Puts the data in place that a DVC remote still has, if it lacks some of the files.

DVC 3.67 checks out none of a folder's files if the remote lacks one, also with --allow-missing.
"""

import hashlib
import json
from pathlib import Path

import yaml

from benchmark.core.atomic import atomic_path


def check_out(repository: Path) -> list[str] | None:
    """Copy the files of data/ that DVC has fetched into its cache, after a pull that failed.

    Returns the paths of the files that the remote lacks. None, and nothing is copied, if the list
    of files cannot be read, or if the remote has a file that was not fetched: then trying again
    helps. Files that are there already are not changed.
    """
    from dvc.repo import Repo

    try:
        folder = yaml.safe_load((repository / "data.dvc").read_text(encoding="utf-8"))["outs"][0]
        with Repo(str(repository)) as repo:
            remote, cache = repo.cloud.get_remote_odb(), repo.cache.local
            listed = json.loads(remote.fs.cat_file(remote.oid_to_path(folder["md5"])))
            fetched = {
                part["relpath"]: Path(cache.oid_to_path(part["md5"]))
                for part in listed
                if _is_whole(Path(cache.oid_to_path(part["md5"])), part["md5"])
            }
            missing = [part for part in listed if part["relpath"] not in fetched]
            if any(remote.exists(part["md5"]) for part in missing):
                return None
            place = repository / folder["path"]
            if not all(_is_inside(name) for name in (folder["path"], *fetched)):
                return None
    except Exception:  # DVC's and the remotes' errors are of many kinds
        return None
    for name, file in fetched.items():
        if not (place / name).exists():
            with atomic_path(place / name) as temporary:
                temporary.write_bytes(file.read_bytes())
    return [f"{folder['path']}/{part['relpath']}" for part in missing]


def _is_inside(name: str) -> bool:
    """Whether a relative path stays below the folder where it starts."""
    return not Path(name).is_absolute() and ".." not in Path(name).parts


def _is_whole(file: Path, md5: str) -> bool:
    if not file.is_file():
        return False
    # Not for security: it is the name that DVC gives to the content.
    return hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest() == md5
