"""What the command line knows of the verbs in `photos`.

Each of these calls can become the decorator of its function there, in place of `app.command`.
"""

from benchmark.cli import photos
from benchmark.cli.app import verb

verb(
    "restore photo.jpg --out restored",
    "restore holiday/ --out restored --recursive --budget 60 --compare",
    "restore photo.jpg --out restored --weather haze --strength 0.6",
    "restore photo.jpg --out restored --method conditional_diffusion --steps 4",
    lock=False,
    beside_others=None,
    networks=True,
)(photos.restore)
verb("held-out-table --out results/reference")(photos.held_out_table)
verb("change-table --out results/reference")(photos.change_table)
verb("ui", "ui --browser --port 8000", lock=False, beside_others=True)(photos.ui)
