"""How often the suite's 95 % intervals hold the true mean, by simulation: the table of the docs.

    python -m benchmark.coverage

Scores are photo + seed + noise, all normal; a photo's standard deviation is 1, the noise's 0.1.
Beside the suite's interval: that of photos alone, and that of drawing photos and seeds alike.
"""

import numpy as np

from benchmark.seeds import numpy_generator
from benchmark.statistics import (
    Array,
    draw_photos,
    interval_levels,
    mean_interval,
    seed_variance,
)

PHOTOS, NOISE, RUNS, RESAMPLES = 12, 0.1, 2000, 999
SEEDS = (2, 3, 5)
SPREADS = (0.0, 0.1, 0.3, 1.0)  # standard deviations of seeds


def simulate(generator: np.random.Generator, seeds: int, spread: float) -> Array:
    """Scores (seeds, PHOTOS) of a method whose true mean is 0."""
    photo = generator.normal(0, 1, (1, PHOTOS))
    seed = generator.normal(0, spread, (seeds, 1))
    return photo + seed + generator.normal(0, NOISE, (seeds, PHOTOS))


def drawn_alike(scores: Array, generator: np.random.Generator) -> tuple[float, float]:
    """The interval where seeds are drawn with replacement just as photos are."""
    photos = draw_photos(PHOTOS, generator, RESAMPLES) / PHOTOS
    seeds = draw_photos(len(scores), generator, RESAMPLES) / len(scores)
    means = np.einsum("rs,sp,rp->r", seeds, scores, photos)
    low, high = np.quantile(means, interval_levels(PHOTOS))
    return float(low), float(high)


def coverage(seeds: int, spread: float, runs: int = RUNS) -> tuple[float, float, float]:
    """The share of runs whose interval holds 0: the suite's, photos alone, drawing both."""
    generator = numpy_generator("coverage", seeds, round(100 * spread))
    names = [f"{number:02d}" for number in range(PHOTOS)]
    hits = np.zeros(3)
    for _ in range(runs):
        scores = simulate(generator, seeds, spread)
        means, options = scores.mean(axis=0), {"resamples": RESAMPLES}
        both = seed_variance(scores.mean(axis=1, keepdims=True))
        whole = mean_interval(means, names, generator, seeds=both, **options)
        alone = mean_interval(means, names, generator, **options)
        ends = [(whole.low[0], whole.high[0]), (alone.low[0], alone.high[0])]
        ends.append(drawn_alike(scores, generator))
        hits += [low <= 0 <= high for low, high in ends]
    return tuple(float(share) for share in hits / runs)


def main() -> None:
    """Print the table in Markdown."""
    print("| seeds | seeds' spread / photos' | this suite | photos alone | drawing both |")
    print("|---:|---:|---:|---:|---:|")
    for seeds in SEEDS:
        for spread in SPREADS:
            shares = " | ".join(f"{share:.1%}" for share in coverage(seeds, spread))
            print(f"| {seeds} | {spread:g} | {shares} |", flush=True)


if __name__ == "__main__":
    main()
