"""Downloads a large file over HTTP. It resumes and retries; the file is whole or absent."""

import json
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmark.core.atomic import write_text
from benchmark.core.checksum import json_digest
from benchmark.core.errors import UserError

TRIES, PAUSE = 5, 1.0  # seconds, doubled after each failed try
CONNECT_SECONDS, SILENCE_SECONDS = 10, 60
CHUNK = 2**16  # bytes: the most that is lost if the connection breaks


class _TryAgain(Exception):
    """A failure after which a new request may succeed."""


@contextmanager
def lock_downloads(place: Path) -> Iterator[Path]:
    """The folder of the downloads for `place`, locked, so that no other process fetches the same.

    It is `.NAME.download/` beside `place`. The caller removes it once they are no longer needed.
    """
    import fcntl

    downloads = place.with_name(f".{place.name}.download")
    downloads.mkdir(parents=True, exist_ok=True)
    with (downloads / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"Another process is fetching {place}. Wait until it is done."
            ) from None
        yield downloads


def download_once(url: str, name: str, downloads: Path) -> Path:
    """Download `url` to a file of this name below `downloads`, unless an earlier call has done so.

    Addresses may end with the same name: each has a folder of its own. Raises as `download`.
    """
    file = downloads / json_digest(url)[:12] / name
    if not file.exists():
        download(url, file)
    return file


def download(url: str, file: Path) -> None:
    """Download `url` to `file`, with a progress bar on a terminal.

    The bytes are kept in `FILE.part` until the file is whole. A later call continues there if the
    server still has the same file (by its ETag or date), and starts again if not. Raises UserError
    with the URL if it is not HTTP, if the server refuses it, if there is no answer or the
    connection breaks TRIES times, or if the disk is full.
    """
    import requests

    if not url.startswith(("http://", "https://")):
        raise UserError(f"{url} is neither a file nor an address that starts with https://.")
    part, note = file.with_name(file.name + ".part"), file.with_name(file.name + ".part.json")
    file.parent.mkdir(parents=True, exist_ok=True)
    for attempt in range(TRIES):
        try:
            _continue(url, part, note)
            break
        except ValueError as error:  # of an address: requests' own, those of codecs and sockets
            raise UserError(f"{url} is no address that can be downloaded ({error}).") from error
        except (requests.RequestException, _TryAgain) as error:
            reason = error
            if attempt + 1 < TRIES:
                time.sleep(PAUSE * 2**attempt)
    else:
        have = part.stat().st_size if part.exists() else 0
        raise UserError(
            f"{url} could not be downloaded: {reason}. Run the same command again: it continues "
            f"after the first {have} bytes ({part})."
        )
    part.replace(file)
    note.unlink(missing_ok=True)


def _continue(url: str, part: Path, note: Path) -> None:
    """One request for the missing bytes of `part`. Returns when the file is whole."""
    import requests

    have = part.stat().st_size if part.exists() else 0
    version = _version(note) if have else None
    headers = {"Accept-Encoding": "identity"}
    if have and version:
        headers |= {"Range": f"bytes={have}-", "If-Range": version}
    with requests.get(
        url, headers=headers, stream=True, timeout=(CONNECT_SECONDS, SILENCE_SECONDS)
    ) as answer:
        if answer.status_code == 416:  # no byte is missing, or the server has another file now
            if answer.headers.get("Content-Range") == f"bytes */{have}":
                return
            part.unlink()
            raise _TryAgain("the server has another file now")
        if answer.status_code in (408, 425, 429) or answer.status_code >= 500:
            raise _TryAgain(f"the server answers {answer.status_code} {answer.reason}")
        if answer.status_code not in (200, 206):
            raise UserError(
                f"{url}: the server answers {answer.status_code} {answer.reason}. Check the "
                "address; or download the archive with a browser and give the file with --from."
            )
        if answer.status_code == 206:
            _check_range(answer.headers.get("Content-Range", ""), have)
        else:
            have = 0
            write_text(note, json.dumps({"version": _version_of(answer)}))
        _append(answer, part, have)


def _append(answer, part: Path, have: int) -> None:
    """Write the body after the first `have` bytes of `part`; raise _TryAgain if it ends early."""
    from tqdm import tqdm

    length = answer.headers.get("Content-Length")
    total = have + int(length) if length and length.isdecimal() else None
    if total and total - have > shutil.disk_usage(part.parent).free:
        raise UserError(f"The disk is full: {part} needs {total} bytes. Make room and try again.")
    with (
        part.open("r+b" if have else "wb") as file,
        tqdm(
            total=total, initial=have, unit="B", unit_scale=True, desc=part.stem, disable=None
        ) as bar,
    ):
        file.seek(have)
        for chunk in answer.iter_content(CHUNK):
            file.write(chunk)
            bar.update(len(chunk))
    if total and part.stat().st_size != total:
        raise _TryAgain(f"the connection broke after {part.stat().st_size} of {total} bytes")


def _check_range(content_range: str, have: int) -> None:
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", content_range)
    if not match or int(match[1]) != have:
        raise UserError(
            f"The server sent another part of the file than requested: '{content_range}'. "
            "Delete the file that ends with .part, and try again."
        )


def _version_of(answer) -> str | None:
    """The ETag or date by which a later answer for this URL is known to have the same content.

    A weak ETag does not guarantee the same bytes and is not used.
    """
    etag = answer.headers.get("ETag", "")
    return etag if etag.startswith('"') else answer.headers.get("Last-Modified")


def _version(note: Path) -> str | None:
    """The version of the bytes in FILE.part; None if it is not known."""
    try:
        return json.loads(note.read_text(encoding="utf-8"))["version"]
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return None
