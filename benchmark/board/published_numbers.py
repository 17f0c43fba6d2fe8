"""The numbers that papers print: reads them, with those on the cards of published weights."""

from pathlib import Path

from benchmark.board.score_table import ALL
from benchmark.core.errors import UserError, nearest
from benchmark.core.paths import find
from benchmark.core.validation import parse, read_yaml
from benchmark.data.weight_cards import published_files
from benchmark.scoring.metrics import METRIC, PROTOCOLS
from benchmark.spec.method import Settings

FILE = find("config/published.yaml").absolute()
DIGITS = {"psnr": 2, "ssim": 4, "lpips": 4}  # decimals that papers print


class Row(Settings):
    """A method's numbers as printed by `sources`.

    `entry`: the same method in this suite, if it always has the authors' weights. `weights`: the
    SHA-256 of the authors' weight file; the row is compared with the entries that use it. `note`:
    what is known to be wrong or unusual with the number.
    """

    method: str
    entry: str | None = None
    weights: str | None = None
    note: str = ""
    sources: tuple[str, ...]
    psnr: float | None = None
    ssim: float | None = None
    lpips: float | None = None

    @property
    def numbers(self) -> dict[str, float]:
        """The printed numbers, by the name of the metric."""
        values = {name: getattr(self, name) for name in DIGITS}
        return {name: value for name, value in values.items() if value is not None}


class Table(Settings):
    """Numbers on one split of one data set under one protocol.

    `weather`: of the set; `all` for the mean over its weathers. `note`: how the protocol of the
    sources differs from the one named.
    """

    dataset: str
    split: str
    protocol: str
    weather: str = ALL
    note: str = ""
    rows: tuple[Row, ...]


class Published(Settings):
    """The file: the names of its sources, and its tables."""

    sources: dict[str, str]
    tables: tuple[Table, ...]


def load(path: Path = FILE) -> Published:
    """The published numbers, of the file and of the cards of published weights.

    Raises UserError naming the key at fault.
    """
    published = _with_weights(parse(Published, read_yaml(path), str(path)))
    for table in published.tables:
        where = f"{path}: {table.dataset} {table.split}"
        if table.protocol not in PROTOCOLS:
            raise UserError(
                f"{where}: no protocol '{table.protocol}'.{nearest(table.protocol, PROTOCOLS)}"
            )
        for row in table.rows:
            for source in row.sources:
                if source not in published.sources:
                    raise UserError(
                        f"{where}: {row.method}: no source '{source}'."
                        f"{nearest(source, published.sources)}"
                    )
            if not row.numbers:
                raise UserError(f"{where}: {row.method} has no number.")
            for name in row.numbers:
                if f"{table.protocol}/{name}" not in METRIC:
                    raise UserError(f"{where}: protocol '{table.protocol}' has no metric '{name}'.")
    return published


def _with_weights(published: Published) -> Published:
    """Published numbers, and those on the cards of `config/weights/`."""
    sources = dict(published.sources)
    tables = {(t.dataset, t.split, t.weather, t.protocol): t for t in published.tables}
    for weights in published_files().values():
        source, file = f"weights/{weights.card_name}", weights.file
        sources[source] = weights.card.reported_in
        for figure in file.figures:
            row = Row(
                method=file.title,
                weights=file.sha256,
                note=file.note,
                sources=(source,),
                psnr=figure.psnr,
                ssim=figure.ssim,
            )
            new = Table(
                dataset=figure.dataset, split=figure.split, protocol=weights.card.protocol, rows=()
            )
            key = (new.dataset, new.split, new.weather, new.protocol)
            table = tables.get(key, new)
            tables[key] = table.model_copy(update={"rows": (*table.rows, row)})
    return Published(sources=sources, tables=tuple(tables.values()))
