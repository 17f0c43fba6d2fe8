"""Comparisons of two variants: gains are positive if the variant is better than the other."""

import pytest
import torch

from benchmark.core.image_io import write_png
from benchmark.core.seeds import torch_generator
from benchmark.profiling import comparison
from benchmark.restoring import dataset
from tests.profiling.test_profiling import make_method, needs_backbone, pictures  # noqa: F401


def test_gains_are_positive_where_the_variant_is_better(monkeypatch, pictures):  # noqa: F811
    invented = iter([
        (1.0, 30.0, 0.1), (3.0, 20.0, 0.3),  # the variant: seconds, PSNR, LPIPS
        (20.0, 28.0, 0.2), (40.0, 21.0, 0.5),  # the other
    ])  # fmt: skip
    seen = []
    monkeypatch.setattr(
        comparison, "measure", lambda *arguments: seen.append(arguments) or next(invented)
    )
    method = make_method()
    variant, against = method.Variant(steps=2), method.Variant(steps=4, patch=64, stride=64)
    gains = comparison.gains(method, variant, against, pictures)
    assert gains.speedup == 30 / 2
    assert gains.psnr_gain_db == pytest.approx((2 - 1) / 2)
    assert gains.lpips_gain == pytest.approx((0.1 + 0.2) / 2)
    each = [(method, settings, *pair) for settings in (variant, against) for pair in pictures]
    assert seen == each


def test_the_first_call_of_each_variant_takes_one_step(monkeypatch, pictures):  # noqa: F811
    method, seen = make_method(), []
    monkeypatch.setattr(comparison, "measure", lambda *_: (1.0, 1.0, 1.0))
    monkeypatch.setattr(
        type(method), "restore", lambda self, degraded, settings, _: seen.append(settings)
    )
    variant, against = method.Variant(steps=2), method.Variant(steps=4, patch=64)
    comparison.gains(method, variant, against, pictures)
    assert seen == [method.Variant(), method.Variant(patch=64)]


@needs_backbone
def test_an_image_is_scored_in_8_bits_from_its_own_noise(tmp_path, pictures):  # noqa: F811
    """Against the method's own result as target, the scores are perfect."""
    method, settings, (degraded, _) = make_method(), make_method().Variant(steps=2), pictures[0]
    generator = torch_generator("profile", degraded.parent.name, degraded.stem)
    with torch.inference_mode():
        x = dataset.read_tensor(degraded, torch.device("cpu"))
        restored = dataset.to_pixels(method.restore(x, settings, [generator]))
    write_png(tmp_path / "target.png", restored)
    found = comparison.measure(method, settings, degraded, tmp_path / "target.png")
    seconds, psnr, lpips = found
    assert seconds > 0
    assert psnr == float("inf")
    assert lpips == pytest.approx(0, abs=1e-6)
