"""leaderboard.json has the first method and the input of each data set."""

import json
import math

import pandas as pd

from benchmark.board.aggregate import COLUMNS
from benchmark.board.summary import summary

CARDS = [
    {"method": "oracle", "control": True, "sees_target": True},
    {"method": "identity", "control": True, "sees_target": False},
    {"method": "first"},
    {"method": "second"},
]


def test_the_first_method_and_the_input_are_shown_with_finite_scores():
    rows = [
        {"method": "oracle", "rgb/psnr": math.inf},
        {"method": "first", "rgb/psnr": 30.0, "rgb/ssim": 0.9},
        {"method": "second", "rgb/psnr": 29.0},
        {"method": "identity", "rgb/psnr": math.inf, "rgb/ssim": 0.8},
        {"method": "second", "rgb/psnr": 40.0, "weather": "rain"},
    ]
    board = pd.DataFrame(
        [{"dataset": "d", "weather": "all", "variant": "default"} | row for row in rows],
        columns=list(COLUMNS),
    )
    found = summary(board, CARDS)
    assert json.loads(json.dumps(found)) == {
        "d": {
            "first": {"method": "first", "variant": "default", "rgb/psnr": 30.0, "rgb/ssim": 0.9},
            "input": {"method": "identity", "variant": "default", "rgb/ssim": 0.8},
        }
    }
