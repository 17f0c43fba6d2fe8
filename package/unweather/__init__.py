"""The command of the installed package. Its folder holds benchmark/, methods/ and their resources.

The names `benchmark` and `methods` are common, so they are not installed beside other packages:
unweather.pth adds this folder to the end of Python's path.
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> None:
    """Run the command line (see `benchmark.cli.main`)."""
    if (HERE / "benchmark").is_dir():  # not so where a checkout is installed in editable mode
        sys.path.insert(0, str(HERE))  # before another package with the name 'benchmark'
    from benchmark.cli import main as run

    run()
