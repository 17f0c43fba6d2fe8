"""The test images in a report: copies, thumbnails, credits, and a method's gain on each."""

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from benchmark.core.errors import UserError
from benchmark.core.image_io import read_image
from benchmark.report.parts import link, slug
from benchmark.report.provenance import Credits
from benchmark.report.run_data import RunData

SHOWN = 6  # images with the smallest and with the largest gain
THUMBNAIL = 224  # pixels


def report_photos(data: RunData, report: Path) -> list[dict[str, Any]]:
    """The test images: names, files copied into the report, and the gain of the best method."""
    if data.images is None:
        return []
    gains = {name: data.gains(data.leader(name)) for name in data.images["dataset"].unique()}
    copied: dict[str, str] = {}
    credits = Credits(data.root)
    photos = []
    for row in data.images.to_dict("records"):
        place = (row["dataset"], row["weather"], row["image"])
        name = slug(*place)
        kinds = ("input", "target") if row["target"] else ("input",)
        files = {kind: _copied(data, row[kind], report, copied) for kind in kinds}
        thumbnail, size = _thumbnail(data.root / row["input"], report / "thumbnails" / name)
        photos.append(
            {
                **row,
                "place": place,
                "files": files,
                "width": size[0],
                "height": size[1],
                "thumbnail": link(f"thumbnails/{thumbnail.name}"),
                "href": link(f"images/{name}.html"),
                "gain_value": gains[row["dataset"]].get(place),
                "credit": credits.of(row["target"] or row["input"]),
            }
        )
    return photos


def _copied(data: RunData, path: str, report: Path, copied: dict[str, str]) -> str:
    """The URL, relative to the report, of an image's copy; the first call copies it."""
    if path not in copied:
        source = data.root / path
        if not source.is_file():
            raise UserError(f"{source}, named in images.csv, is missing; pull the data first.")
        read_image(source)  # a table can name any file, but only images are copied
        name = f"{slug(*Path(path).parts[-4:-1], Path(path).stem)}{source.suffix}"
        target = report / "photos" / name
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(source, target)
        copied[path] = link(f"photos/{name}")
    return copied[path]


def _thumbnail(source: Path, stem: Path) -> tuple[Path, tuple[int, int]]:
    """Write a small WebP; returns its path and the size of the source."""
    path = stem.with_name(stem.name + ".webp")
    path.parent.mkdir(exist_ok=True)
    small = Image.fromarray(read_image(source))
    size = small.size
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    small.save(path, quality=80, method=2)
    return path, size


def with_gain(photos: list[dict[str, Any]], gains: pd.Series) -> list[dict[str, Any]]:
    """The photos that have a gain, the smallest first."""
    found = [{**photo, "gain_value": gains.get(photo["place"])} for photo in photos]
    return by_gain([photo for photo in found if photo["gain_value"] is not None])


def by_gain(photos: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The photos with their `gain` as text, the smallest first; those without a gain last."""

    def key(photo):
        return (photo["gain_value"] is None, photo["gain_value"] or 0.0, photo["place"])

    return [
        {**photo, "gain": "" if (gain := photo["gain_value"]) is None else f"{gain:+.2f} dB"}
        for photo in sorted(photos, key=key)
    ]


def extremes(photos: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The photos with the smallest and the largest gain, of sorted photos; none is in both."""
    known = [photo for photo in photos if photo["gain_value"] is not None]
    count = min(SHOWN, len(known) // 2)
    return {"worst": known[:count], "best": known[::-1][:count]}
