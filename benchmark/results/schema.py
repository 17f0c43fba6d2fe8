"""The columns of the tables that a run writes, and the statuses that a row may have."""

# The columns that name an image, a method with its variant, and a row of a leaderboard.
IMAGE = ["dataset", "weather", "image"]
METHOD = ["method", "variant"]
GROUP = ["dataset", "weather", *METHOD]

SCORES = (
    "dataset",
    "weather",
    "image",
    "method",
    "variant",
    "seed",
    "protocol",
    "metric",
    "value",
    "status",
    "reason",
)
COST = (
    "dataset",
    "weather",
    "image",
    "method",
    "variant",
    "seed",
    "width",
    "height",
    "seconds",
    "batch_seconds",
    "nfe",
    "parameters",
    "flops",
    "peak_memory_bytes",
    "device",
    "status",
    "reason",
)
# Scores of sets of images. left_out: the photo without which a value is; empty for the whole set.
SET_SCORES = (
    "dataset",
    "weather",
    "method",
    "variant",
    "seed",
    "protocol",
    "metric",
    "left_out",
    "value",
    "status",
    "reason",
)
# Scores of the samples of an image together. samples: their number.
SAMPLE_SCORES = (
    "dataset",
    "weather",
    "image",
    "method",
    "variant",
    "seed",
    "samples",
    "metric",
    "value",
    "status",
    "reason",
)
# For `score --restored DIR --target DIR`, which knows no method or data set.
FOLDER_SCORES = ("image", "protocol", "metric", "value", "status", "reason")

OK = "ok"
FAILED = "failed"  # the method raised an error or returned no valid image
SKIPPED = "skipped"  # the method or metric is not meant for this weather, or needs a ground truth
OUT_OF_MEMORY = "out-of-memory"
TIMED_OUT = "timed-out"  # the job took longer than the configuration's time_limit
WEIGHTS_MISSING = "weights-missing"
STATUSES = (OK, FAILED, SKIPPED, OUT_OF_MEMORY, TIMED_OUT, WEIGHTS_MISSING)
NO_TARGET = "no ground truth"  # the reason where a target is needed and there is none
