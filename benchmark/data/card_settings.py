"""What a data set card says: the keys of a file of `config/datasets/`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from benchmark.core.paths import in_project
from benchmark.spec import run_config
from benchmark.spec.method import Settings


class Split(Settings):
    """Patterns of the paths of inputs and targets, relative to the set's folder.

    A name in braces matches a part of a path, without "/"; so does `*`, which names nothing. The
    path of an input gives the values of the names, and these values in the pattern `target` give
    the path of its target. `{weather}` is the weather. Images with the same `{photo}` show the same
    scene; without `{photo}`, every image is a separate scene. Names in folders become a part of the
    image's name. Suffixes match in any case. `input` and `target` may be one pattern per weather.
    Photographs without ground truth have no `target`.
    """

    input: str | dict[str, str]
    target: str | dict[str, str] | None = None

    def input_of(self, weather: str) -> str:
        """The input pattern of one weather, with the value of `{weather}`."""
        pattern = self.input if isinstance(self.input, str) else self.input[weather]
        return pattern.replace("{weather}", weather)

    def target_of(self, weather: str) -> str | None:
        """The target pattern of one weather, with the value of `{weather}`."""
        pattern = self.target[weather] if isinstance(self.target, dict) else self.target
        return pattern and pattern.replace("{weather}", weather)


class Archive(Settings):
    """One published archive of a set: its file name, its direct address if it has one, its SHA-256.

    Without `sha256`, the checksum of the first download is kept in
    `config/datasets/NAME.lock.json`.
    """

    file: str
    url: str | None = None
    sha256: str | None = None


class TrainSplit(Split):
    """Training pairs. `without`: patterns of the file names of inputs to leave out."""

    target: str
    without: tuple[str, ...] = ()


class Made(Settings):
    """A set that is made here (`benchmark.data.made_sets`): simulated weather on clean photographs.

    `photos`: their pattern, from the project folder. `levels`: strengths of the weather; each photo
    has an input for each weather and level. `seed`: of the weather.
    """

    photos: str
    levels: Annotated[
        tuple[Literal["light", "medium", "heavy"], ...], Field(min_length=1), run_config.Unrepeated
    ] = ("light", "medium", "heavy")
    seed: int = Field(default=0, ge=0)


class DatasetCard(Settings):
    """One file of `config/datasets/`. A user needs to change only `path`.

    `pairs`: number of images of each split, over all weathers. `content`: the SHA-256 of a split's
    files, as `python -m benchmark verify` prints it. `same_photo`: groups of `{photo}` values that
    show one scene; confidence intervals count such a scene once. `archives`: the archives that
    `python -m benchmark fetch` downloads. `train`: a pattern of clean photographs, from which pairs
    are made during training, or patterns of pairs. `manifest`: a JSON file with the checksums of
    the set's files. `made`: of what the set is made, if it is made here.
    """

    title: str
    path: str
    weathers: Annotated[tuple[str, ...], Field(min_length=1), run_config.Unrepeated]
    splits: dict[str, Split]
    train: str | TrainSplit | None = None
    manifest: str | None = None
    made: Made | None = None
    pairs: dict[str, int] = {}
    content: dict[str, str] = {}
    archives: tuple[Archive, ...] = ()
    same_photo: tuple[tuple[str, ...], ...] = ()
    licence: str
    source: str
    citation: str
    overlaps: str = ""

    @property
    def folder(self) -> Path:
        """The set's folder. A relative `path` starts at the project folder."""
        return in_project(self.path)
