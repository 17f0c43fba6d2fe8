"""Control: the ground truth. Shows the scores of a perfect result, with 8-bit rounding."""

from benchmark import Card, Method, Settings


class Oracle(Method):
    """Returns the target, which the suite passes to methods with `sees_target`."""

    card = Card(
        title="Oracle (the ground truth)",
        citation="none: a control",
        licence="none needed",
        supervision="none",
        description="Returns the ground truth: the best value of every metric and a check of it.",
        control=True,
    )
    sees_target = True

    def restore(self, degraded, variant: Settings, generators, target):
        """target: float32 (B, 3, H, W) in [0, 1], the clean images of the batch."""
        return target.clone()
