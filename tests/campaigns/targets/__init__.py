"""All kinds of files that are read. A target writes a wrong file of its kind and reads it.

A target is called with a folder, for the file, and a `Random`. It yields names: an error has to
mention one of them, the file or a key in it.
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
