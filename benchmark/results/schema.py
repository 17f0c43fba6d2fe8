"""The columns of the tables that a run writes, and the statuses a row may have."""

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
    "nfe",
    "parameters",
    "flops",
    "peak_memory_bytes",
    "device",
    "status",
    "reason",
)
# A score from `score --restored DIR --target DIR`, where there is no method or data set.
FOLDER_SCORES = ("image", "protocol", "metric", "value", "status", "reason")

OK = "ok"
FAILED = "failed"  # it raised an error or gave no valid image
SKIPPED = "skipped"  # not meant for this weather, or for images without ground truth
OUT_OF_MEMORY = "out-of-memory"
TIMED_OUT = "timed-out"  # it was not done within the configuration's time_limit
WEIGHTS_MISSING = "weights-missing"
STATUSES = (OK, FAILED, SKIPPED, OUT_OF_MEMORY, TIMED_OUT, WEIGHTS_MISSING)
NO_TARGET = "no ground truth"  # the reason where a target is needed and there is none
