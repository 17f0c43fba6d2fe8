"""Scores a torch module on the test images, then puts it on the board beside the reference run.

In the environment, after 'python -m benchmark pull':

    python -m examples.evaluate_my_model

For a method that the suite trains and runs by itself, see docs/adding-a-method.md.
"""

import shutil
from pathlib import Path

import torch

from benchmark import evaluate
from benchmark.board.write import print_leaderboard, write_leaderboard
from benchmark.exchange.submit import Submission, submit

DATA_SETS = ("photos", "clear")  # those of the reference run
IMAGES, BOARD = Path("results/my_model"), Path("results/my_board")


def main() -> None:
    model = torch.nn.AvgPool2d(3, stride=1, padding=1)  # put your own module here
    scores = [evaluate(model, name, out=IMAGES) for name in DATA_SETS]
    print(scores[0].groupby(["weather", "metric"]).value.mean().unstack().round(3))

    shutil.copytree("results/reference", BOARD, dirs_exist_ok=True)
    submit(IMAGES, Submission("my_model", title="My model", supervision="none"), BOARD)
    write_leaderboard(BOARD)
    print_leaderboard(BOARD)


if __name__ == "__main__":
    main()
