"""The words that explain a board's signs: the same in Markdown, LaTeX, report and terminal."""

from typing import NamedTuple

from benchmark.results.tables import Cards

MISSING = "–"
INFINITE = "∞"
CONTROL = "†"
SUBMITTED = "‡"
HARMFUL = "▼"
HARM = 0.5  # dB


class Entry(NamedTuple):
    """A term or sign of a table and its explanation, a sentence without markup."""

    term: str
    text: str


OPEN_RANKS = (
    "the ranks that paired tests leave open (Holm, 5 %, all pairs of methods). Methods whose ranks "
    "overlap may be ties."
)
MEANS = Entry(
    "Values",
    "means over images (over seeds first) with 95 % intervals from a bootstrap over photos, or "
    "Student's with fewer than six. Differences between seeds widen an interval; one seed says "
    "nothing about other trainings.",
)
ALL_WEATHERS = Entry("All weathers", "every weather has equal weight.")
RANK = Entry("Rank", f"by PSNR RGB (by NIQE without ground truth), {OPEN_RANKS}")
BOLD = Entry(
    "Bold",
    "the best method that is no control, and those after it up to the first that is significantly "
    "worse (Holm, 5 %) or whose interval does not hold the best mean. Nothing is bold where no "
    "method is significantly worse.",
)
NO_VALUE = Entry(
    MISSING, "no value, because not every image of the group was scored; a note says why."
)
NO_MEAN = Entry(
    INFINITE,
    "the PSNR of an image that is the same as its target. One such image makes the mean infinite, "
    "whatever the others are.",
)
COSTS = Entry("Seconds", "medians for one image.")
IS_CONTROL = Entry(CONTROL, "a control; it has no rank.")
IS_HARMFUL = Entry(
    HARMFUL, f"PSNR is more than {HARM} dB below the input's: the method makes the images worse."
)
IS_SUBMITTED = Entry(
    SUBMITTED,
    "images restored elsewhere and submitted; their costs are as stated, or missing "
    f"({MISSING}) because they were not measured here.",
)
DIFFERENCE = Entry(
    "Difference",
    "of the means on the same images, with its 95 % interval over photos and, if there are "
    "several, seeds.",
)
P_HOLM = Entry("p (Holm)", "of the paired test, corrected for all pairs of methods.")
APART = Entry("Bold", "the two methods differ significantly (Holm, 5 %).")
BETTER = Entry("Better", "the probability that the method is better on an image; ties count half.")


def board_legend(methods: Cards) -> list[Entry]:
    """The legend of a board with these methods."""
    entries = [MEANS, ALL_WEATHERS, RANK, BOLD, NO_VALUE, NO_MEAN, COSTS, IS_CONTROL, IS_HARMFUL]
    entries += [IS_SUBMITTED] if has_submitted(methods) else []
    return [*entries, *_fine_tuned(methods), *_simulation(methods)]


def _fine_tuned(methods: Cards) -> list[Entry]:
    """Which methods started their training from the weights of others."""
    starts = {
        card["method"]: start
        for card in methods
        if (start := (card.get("training") or {}).get("initial_weights"))
    }
    text = "; ".join(f"{method} from {start}" for method, start in starts.items())
    return [Entry("Fine-tuned", f"training started from other weights: {text}.")] if text else []


def _simulation(methods: Cards) -> list[Entry]:
    """The version of the simulated weather of the training pairs; nothing on a board without."""
    named: dict[int, list[str]] = {}
    for card in methods:
        if version := card.get("training_simulation"):
            named.setdefault(version, []).append(card["method"])
    if not named:
        return []
    texts = [
        f"version {version}" + (f" ({', '.join(dict.fromkeys(names))})" if len(named) > 1 else "")
        for version, names in sorted(named.items())
    ]
    text = f"methods learned from training pairs of {' and '.join(texts)} of the simulation."
    return [Entry("Simulated weather", text)]


def short_legend(methods: Cards) -> list[Entry]:
    """The part of the legend that a table of ranks, means and seconds needs."""
    entries = [RANK, IS_CONTROL, IS_HARMFUL]
    return [*entries, IS_SUBMITTED] if has_submitted(methods) else entries


def has_submitted(methods: Cards) -> bool:
    """Whether a method's images were restored elsewhere and submitted."""
    return any(card.get("submitted") for card in methods)
