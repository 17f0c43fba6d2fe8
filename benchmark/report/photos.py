"""The test images in a report: copies, thumbnails, credits, and a method's gain on each."""

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from benchmark.core.checksum import json_digest
from benchmark.core.image_io import image_size, read_image, write_png
from benchmark.report.parts import link, slug
from benchmark.report.provenance import Credits
from benchmark.report.run_data import RunData
from benchmark.report.shown_images import EXTREMES, shown_images

THUMBNAIL = 224  # pixels
SHOWN_BY_BROWSERS = (".png", ".jpg", ".jpeg", ".webp", ".gif")  # of what read_image reads


def report_photos(data: RunData, report: Path) -> list[dict[str, Any]]:
    """The test images with a page (`shown_images`): names, files copied into the report, and the
    gain of the best method.

    A picture that is not there, because the data were not pulled, has no file: `files` lacks it,
    and `thumbnail`, `width` and `height` are None.
    """
    if data.images is None:
        return []
    gains = {name: data.gains(data.leader(name)) for name in data.images["dataset"].unique()}
    copied: dict[str, str] = {}
    credits = Credits(data.root)
    photos = []
    for row in shown_images(data).to_dict("records"):
        place = (row["dataset"], row["weather"], row["image"])
        name = slug(*place)
        files = {
            kind: _copied(data, row[kind], report, copied)
            for kind in ("input", "target")
            if row[kind] and (data.root / row[kind]).is_file()
        }
        source = data.root / row["input"]
        there = "input" in files
        width, height = image_size(source) if there else (None, None)
        photos.append(
            {
                **row,
                "place": place,
                "files": files,
                "width": width,
                "height": height,
                "thumbnail": _thumbnail(source, report, name) if there else None,
                "href": link(f"images/{name}.html"),
                "gain_value": gains[row["dataset"]].get(place),
                "credit": credits.of(row["target"] or row["input"]),
            }
        )
    return photos


def _copied(data: RunData, path: str, report: Path, copied: dict[str, str]) -> str:
    """The URL, relative to the report, of an image's copy; the first call copies it. What browsers
    cannot show, such as TIFF, becomes a PNG."""
    if path not in copied:
        source = data.root / path
        pixels = read_image(source)  # a table can name any file, but only images are copied
        is_shown = source.suffix.lower() in SHOWN_BY_BROWSERS
        suffix = source.suffix if is_shown else ".png"
        # a.tif and a.png may lie in one folder.
        stem = Path(path).stem if is_shown else Path(path).name
        name = slug(*Path(path).parts[-4:-1], stem)
        if link(f"photos/{name}{suffix}") in copied.values():  # of another set
            name = f"{name}-{json_digest(path)[:8]}"
        target = report / "photos" / f"{name}{suffix}"
        target.parent.mkdir(exist_ok=True)
        if is_shown:
            shutil.copyfile(source, target)
        else:
            write_png(target, pixels)
        copied[path] = link(f"photos/{target.name}")
    return copied[path]


def _thumbnail(source: Path, report: Path, name: str) -> str:
    """Write a small WebP; returns its URL, relative to the report."""
    path = report / "thumbnails" / f"{name}.webp"
    path.parent.mkdir(exist_ok=True)
    small = Image.fromarray(read_image(source))
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    small.save(path, quality=80, method=2)
    return link(f"thumbnails/{path.name}")


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
    count = min(EXTREMES, len(known) // 2)
    return {"worst": known[:count], "best": known[::-1][:count]}
