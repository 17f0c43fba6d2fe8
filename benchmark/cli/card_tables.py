"""The cards of methods, data sets and metrics, as JSON-able data and as tables for a terminal."""

from collections.abc import Callable
from typing import Any

from benchmark.core.environment import PROGRAM
from benchmark.core.errors import UserError, one_line
from benchmark.data import cards as datasets
from benchmark.data import weight_cards
from benchmark.scoring.metrics import ANY_METRIC
from benchmark.spec import registry, sources

Cards = list[dict[str, Any]]


def methods() -> Cards:
    """Every method of `methods/`: name, whether it is trained, its card, parameters and settings.

    A file that cannot be loaded has an `error` in place of its card; the others are listed.
    """
    cards = []
    for name in registry.available():
        try:
            method = registry.load(name)
        except UserError as error:
            cards.append({"name": name, "error": str(error)})
            continue
        except Exception as error:
            cards.append({"name": name, "error": one_line(error)})
            continue
        card = {
            "name": name,
            "learns": sources.learns(name),
            **method.card.model_dump(mode="json"),
            "sees_target": method.sees_target,
            "parameters": sorted(method.Parameters.model_fields),
            "settings": sorted(method.Variant.model_fields),
        }
        cards.append(card)
    return cards


def data_sets() -> Cards:
    """Every card of `config/datasets/`, with its name and whether its folder is there."""
    cards = []
    for name in sorted(datasets.card_files()):
        try:
            card = datasets.load_card(name)
        except UserError as error:
            cards.append({"name": name, "error": str(error)})
            continue
        here = card.folder.is_dir()
        cards.append({"name": name, "here": here, **card.model_dump(mode="json")})
    return cards


def metrics() -> Cards:
    """Every metric of every protocol."""
    cards = []
    for metric in ANY_METRIC.values():
        protocol = metric.protocol
        card = {
            "name": metric.key,
            "protocol": protocol.name,
            "description": metric.description,
            "better": metric.direction,
            "unit": metric.unit,
            "needs_target": metric.needs_target,
            "reference": metric.reference,
            "protocol_description": protocol.description,
            "agrees_with": protocol.agrees_with,
        }
        cards.append(card)
    return cards


def weights() -> Cards:
    """Every published weight file on a card of `config/weights/`."""
    return [
        {
            "name": name,
            "here": published.path.exists(),
            "path": published.place,
            **published.card.model_dump(mode="json", exclude={"files"}),
            **published.file.model_dump(mode="json"),
        }
        for name, published in weight_cards.published_files().items()
    ]


LISTS: dict[str, Callable[[], Cards]] = {
    "methods": methods,
    "datasets": data_sets,
    "metrics": metrics,
    "weights": weights,
}
# The columns of each table: a heading, and a function from a card to the text of its cell.
COLUMNS: dict[str, dict[str, Callable[[dict[str, Any]], str]]] = {
    "methods": {
        "method": lambda card: card["name"],
        "supervision": lambda card: card["supervision"],
        "trained": lambda card: "yes" if card["learns"] else "no",
        "weather": lambda card: _weathers(card["weathers"]),
        "title": lambda card: card["title"] + (" †" if card["control"] else ""),
    },
    "datasets": {
        "data set": lambda card: card["name"],
        "here": lambda card: "yes" if card["here"] else "no",
        "weather": lambda card: _weathers(card["weathers"]),
        "splits": lambda card: ", ".join(_split(card, name) for name in card["splits"]),
        "title": lambda card: card["title"],
    },
    "metrics": {
        "metric": lambda card: card["name"],
        "better": lambda card: "↑" if card["better"] == "higher" else "↓",
        "unit": lambda card: card["unit"],
        "target": lambda card: "needed" if card["needs_target"] else "none",
        "what it is": lambda card: card["description"],
    },
    "weights": {
        "weights": lambda card: card["name"],
        "here": lambda card: "yes" if card["here"] else "no",
        "method": lambda card: card["method"],
        "published": lambda card: ", ".join(map(_figure, card["figures"])) or "–",
        "licence": lambda card: card["licence"],
    },
}
NOTES = {
    "weights": f"Published weights are not shipped; '{PROGRAM} fetch NAME' gets one.",
    "methods": "† a control: it takes no place on the leaderboard.",
    "datasets": "Put a set that is not here into the folder that 'path' in "
    "config/datasets/NAME.yaml names.",
    "metrics": "A metric's name is PROTOCOL/METRIC; the protocol says how the images are compared.",
}


def print_table(kind: str, cards: Cards) -> None:
    """Print one of `LISTS` to the terminal; cards with an error come last, with the error."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    for number, heading in enumerate(COLUMNS[kind]):
        # Names are not wrapped, so that they can be copied.
        table.add_column(heading, no_wrap=number == 0)
    for card in cards:
        if "error" not in card:
            table.add_row(*(Text(cell(card)) for cell in COLUMNS[kind].values()))
    console.print(table)
    console.print(Text(f"{NOTES[kind]} Whole cards: --json."))
    for card in cards:
        if "error" in card:
            console.print(Text(f"{card['name']} has an error: {card['error']}"))


def _weathers(names: list[str]) -> str:
    from benchmark.spec.method import ALL_WEATHERS

    return "all" if set(ALL_WEATHERS) <= set(names) else ", ".join(names)


def _figure(figure: dict[str, Any]) -> str:
    return f"{figure['psnr']:.2f} / {figure['ssim']:.4g} on {figure['dataset']}"


def _split(card: dict[str, Any], name: str) -> str:
    count = card["pairs"].get(name)
    return name if count is None else f"{name} ({count})"
