"""How often 95 % intervals contain the true mean, by simulation: the tables of docs/statistics.md.

    python -m tools.interval_coverage

Scores are photo + seed + noise, all normal; a photo's standard deviation is 1, the noise's 0.1.
Three intervals are compared: that of this suite, that of photos alone, and that of a bootstrap that
draws both photos and seeds. A second table has one seed and few photos: there Student's interval is
compared with that of drawn photos, also for skewed scores (exponential).
"""

import numpy as np

from benchmark.core.markdown import markdown_table
from benchmark.core.seeds import numpy_generator
from benchmark.significance.bootstrap import Array, draw_photos
from benchmark.significance.intervals import interval_levels, mean_interval
from benchmark.significance.variances import photo_variance, seed_variance

PHOTOS, NOISE, RUNS, RESAMPLES = 12, 0.1, 2000, 999
BLOCK = 100  # runs that share their draws
SEEDS = (2, 3, 5)
SPREADS = (0.0, 0.1, 0.3, 1.0)  # standard deviations of seeds
FEW = (2, 3, 4, 5, 6, 8, 12)  # photos of the second table


def simulate(generator: np.random.Generator, seeds: int, spread: float) -> Array:
    """Scores (seeds, PHOTOS, BLOCK) of methods whose true mean is 0."""
    photo = generator.normal(0, 1, (1, PHOTOS, BLOCK))
    seed = generator.normal(0, spread, (seeds, 1, BLOCK))
    return photo + seed + generator.normal(0, NOISE, (seeds, PHOTOS, BLOCK))


def both_drawn(scores: Array, generator: np.random.Generator) -> tuple[Array, Array]:
    """The ends (BLOCK,) of intervals from drawing photos and seeds with replacement."""
    photos = draw_photos(PHOTOS, generator, RESAMPLES) / PHOTOS
    seeds = draw_photos(len(scores), generator, RESAMPLES) / len(scores)
    means = sum(seeds[:, [s]] * (photos @ of_seed) for s, of_seed in enumerate(scores))
    low, high = np.quantile(means, interval_levels(PHOTOS), axis=0)
    return low, high


def coverage(seeds: int, spread: float, runs: int = RUNS) -> tuple[float, float, float]:
    """The share of intervals that contain 0: this suite's, photos alone, drawing both."""
    names = [f"{number:02d}" for number in range(PHOTOS)]
    hits, blocks = np.zeros(3), runs // BLOCK
    for block in range(blocks):
        parts = ("coverage", seeds, round(100 * spread), block)
        scores = simulate(numpy_generator(*parts), seeds, spread)
        means, variance = scores.mean(axis=0), seed_variance(scores.mean(axis=1))
        found = [
            mean_interval(
                means, names, numpy_generator(*parts, "draw"), seeds=of_seeds, resamples=RESAMPLES
            )
            for of_seeds in (variance, None)
        ]
        ends = [(each.low, each.high) for each in found]
        ends.append(both_drawn(scores, numpy_generator(*parts, "draw")))
        hits += [np.mean((low <= 0) & (high >= 0)) for low, high in ends]
    return tuple(float(share) for share in hits / blocks)


def coverage_of_few(photos: int, skewed: bool, runs: int = RUNS) -> tuple[float, float]:
    """The share of one seed's intervals that contain 0: Student's, and that of drawn photos."""
    hits, blocks = np.zeros(2), runs // BLOCK
    for block in range(blocks):
        generator = numpy_generator("coverage of few", photos, skewed, block)
        shape = (photos, BLOCK)
        scores = generator.exponential(1, shape) - 1 if skewed else generator.normal(0, 1, shape)
        half = photo_variance(scores, [str(number) for number in range(photos)]).half_width()
        draws = draw_photos(photos, generator, RESAMPLES) / photos
        low, high = np.quantile(draws @ scores, interval_levels(photos), axis=0)
        student, drawn = np.abs(scores.mean(axis=0)) <= half, (low <= 0) & (high >= 0)
        hits += [student.mean(), drawn.mean()]
    return tuple(float(share) for share in hits / blocks)


def main() -> None:
    """Print the tables in Markdown."""
    heads = ("seeds", "seeds' spread / photos'", "this suite", "photos alone", "drawing both")
    rows = [
        (str(seeds), f"{spread:g}", *(f"{100 * share:.1f} %" for share in coverage(seeds, spread)))
        for seeds in SEEDS
        for spread in SPREADS
    ]
    print(markdown_table(heads, rows, ["right"] * len(heads)))
    heads = ("photos", "Student's, normal", "drawn, normal", "Student's, skewed", "drawn, skewed")
    rows = []
    for photos in FEW:
        shares = (*coverage_of_few(photos, False), *coverage_of_few(photos, True))
        rows.append((str(photos), *(f"{100 * share:.1f} %" for share in shares)))
    print()
    print(markdown_table(heads, rows, ["right"] * len(heads)))


if __name__ == "__main__":
    main()
