"""What is read from files, each with valid examples, a way of making them wrong, and its readers.

A target is called with a folder and a `Random`; it writes a wrong file there and reads it. What it
yields are names one of which an error has to tell: the file, or the key in it.
"""

from tests.campaigns.targets import files, images, parts, runs, settings
from tests.campaigns.targets.common import Target

# More than a tenth of a second each.
SLOW = {
    "DVC pointer, settings, remote",
    "manifest for remake-pairs",
    "checkpoint of a training",
    "metric weights",
    *runs.TARGETS,
    *parts.TARGETS,
}
TARGETS: dict[str, Target] = {
    **settings.TARGETS,
    **images.TARGETS,
    **files.TARGETS,
    **runs.TARGETS,
    **parts.TARGETS,
}
