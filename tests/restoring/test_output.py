"""What a method may not return is refused with a hint; what merely overshoots is not."""

import pytest
import torch

from benchmark.restoring import output

DEGRADED = torch.rand(1, 3, 12, 16, generator=torch.Generator().manual_seed(0))
DARK = DEGRADED / 50  # a photograph at night: 8-bit levels up to 5


@pytest.mark.parametrize(
    ("restored", "message"),
    [
        (DEGRADED * 255, r"values from 0\.\d+ to 25\d, expected \[0, 1\]. .* divide them by 255"),
        (DARK * 255, "divide them by 255"),
        ((DEGRADED * 255).half(), "divide them by 255"),
        ((DEGRADED * 255).byte(), "uint8, expected float32 .* Divide 8-bit values by 255"),
        (DEGRADED > 0.5, r"bool, expected float32 in \[0, 1\]\.$"),
        (DEGRADED[0], r"\(3, 12, 16\) for an input of \(1, 3, 12, 16\)"),
        ((DEGRADED * 255 - 2), "divide them by 255"),  # overshoots below 0
        (DEGRADED.permute(0, 2, 3, 1), r"\(1, 12, 16, 3\)"),
        (DEGRADED.numpy(), "returned ndarray, expected a torch.Tensor"),
        (None, "returned NoneType"),
    ],
)
def test_a_common_mistake_is_refused_with_a_hint(restored, message):
    with pytest.raises(ValueError, match=message):
        output.check(restored, DEGRADED)


@pytest.mark.parametrize(
    "restored",
    [
        DEGRADED,
        DEGRADED.double(),
        DEGRADED.bfloat16(),
        3 * DEGRADED - 1,  # overshoots by up to 1 on both sides
        (DEGRADED - 0.5) * 500,  # a network that diverged
        torch.where(DEGRADED > 0.99, 30.0, DEGRADED),  # a few wild values
        DEGRADED * torch.nan,  # refused where values become pixels
    ],
)
def test_what_the_suite_can_clip_is_accepted(restored):
    output.check(restored, DEGRADED)
