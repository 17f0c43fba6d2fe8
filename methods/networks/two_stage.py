"""A network of two stages: a predictor, and a refiner that is told a time."""

from torch import Tensor, nn


class TwoStage(nn.Module):
    """Two networks as one, trained and saved together: without a time it predicts, with one it
    refines.

    predictor: maps (B, 3, H, W) to the correction of the degraded image. refiner: maps (B, C, H, W)
    and times (B,) in [0, 1] to (B, 3, H, W).
    """

    def __init__(self, predictor: nn.Module, refiner: nn.Module):
        super().__init__()
        self.predictor, self.refiner = predictor, refiner

    def forward(self, x: Tensor, t: Tensor | None = None) -> Tensor:
        return self.predictor(x) if t is None else self.refiner(x, t)
