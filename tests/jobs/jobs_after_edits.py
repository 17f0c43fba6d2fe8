"""Prints, as JSON, the jobs whose identity differs after each edit of a small project.

A program for `test_identity`: it runs in the project's folder and imports the project's own suite,
so that an edit of a source is an edit of what it reads. Arguments: the configuration, and a JSON
file with a list of edits; each edit is a list of steps (see `apply`).
"""

import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path.cwd()))

from benchmark.jobs import records
from benchmark.jobs.identity import Identities
from benchmark.jobs.resolve import Resolved
from benchmark.spec import config_reader, reach, sources


def picture(file: Path, seed: int) -> None:
    """Write a picture of 24 × 24 pixels."""
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file)


def apply(step: dict) -> None:
    """One step: a text replaced, a picture written, a file deleted, renamed or written."""
    file = Path(step["file"])
    if "old" in step:
        text = file.read_text()
        assert step["old"] in text, step
        file.write_text(text.replace(step["old"], step["new"], 1))
    elif "picture" in step:
        picture(file, step["picture"])
    elif "rename" in step:
        file.rename(step["rename"])
    elif "text" in step:
        file.write_text(step["text"])
    else:
        file.unlink()


def forget_sources() -> None:
    reach.forget()
    sources.learns.cache_clear()
    sources.sees_target.cache_clear()


def identities(config: str, resolved: dict) -> dict[str, str]:
    """The digest of every job, by its name; `resolved`: what the run took from the machine."""
    run = config_reader.load(config)
    found = Identities(run, Resolved(**resolved))
    digests = {
        " ".join(map(str, (work, *names))): records.identity_of(found, work, names).digest
        for work, names in records.jobs(run)
    }
    return digests | {"images": found.images().digest, "board": found.board().digest}


def main(config: str, edits: str) -> None:
    machine = {"device": "cpu", "threads": 2}
    before, changed = identities(config, machine), []
    for steps in json.loads(Path(edits).read_text()):
        names = {step[key] for step in steps for key in ("file", "rename") if key in step}
        kept = {
            Path(name): Path(name).read_bytes() if Path(name).exists() else None for name in names
        }
        for step in steps:
            if "file" in step:
                apply(step)
        edits_sources = any(name.endswith(".py") for name in names)
        if edits_sources:
            forget_sources()
        resolved = machine | next((s["resolved"] for s in steps if "resolved" in s), {})
        after = identities(config, resolved)
        changed.append(sorted(name for name in after if before.get(name) != after[name]))
        for file, content in kept.items():
            file.unlink(missing_ok=True)
            if content is not None:
                file.write_bytes(content)
        if edits_sources:
            forget_sources()
    assert identities(config, machine) == before  # all edits are undone
    print(json.dumps(changed))


if __name__ == "__main__":
    main(*sys.argv[1:])
