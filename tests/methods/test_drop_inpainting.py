"""Drop inpainting: which blobs are drops; all other pixels stay unchanged."""

import cv2
import numpy as np
import pytest

from methods.drop_inpainting import DropInpainting, Parameters, find_drops, slopes
from tests.methods.test_classical import as_batch, as_image, psnr, random_image, smooth_image

SIZE = 128


def restored(image):
    method = DropInpainting()
    return as_image(method.restore(as_batch(image), method.Variant(), []))


def matte(places, radius=8, blur=4.0):
    """Opacity of round drops at (x, y), out of focus."""
    plane = np.zeros((SIZE, SIZE), np.float32)
    for place in places:
        cv2.circle(plane, place, radius, 1.0, -1)
    return cv2.GaussianBlur(plane, (0, 0), blur)


def drop(clean, opacity, light=0.9):
    return clean + 0.6 * opacity[..., None] * (light - clean)


DROPS = matte([(30, 30), (90, 40), (60, 95)])


def test_soft_drops_on_a_smooth_image_are_removed():
    clean = smooth_image(SIZE)
    degraded = drop(clean, DROPS)
    assert psnr(restored(degraded), clean) > psnr(degraded, clean) + 6


def test_drops_are_found_where_they_are():
    found = find_drops(drop(smooth_image(SIZE), DROPS).mean(axis=2), Parameters())
    assert set(np.unique(found)) == {0, 1}
    assert found[DROPS > 0.3].all()
    assert not found[DROPS < 1e-3].any()


@pytest.mark.parametrize(
    "blob",
    {
        "sharp": matte([(60, 60)], blur=0.5),
        "wide": matte([(60, 60)], radius=45),
        "tiny": matte([(60, 60)], radius=1, blur=0.5),
        "ring": matte([(60, 60)], radius=16) - matte([(60, 60)], radius=10),
    }.items(),
    ids=lambda item: item[0],
)
def test_other_blobs_are_no_drops(blob):
    grey = np.full((SIZE, SIZE), 0.3, np.float32) + 0.4 * blob[1].clip(0, 1)
    assert not find_drops(grey, Parameters()).any()


def test_a_dark_blob_is_no_drop():
    assert not find_drops(0.7 - 0.4 * DROPS, Parameters()).any()


@pytest.mark.parametrize("kind", ["smooth", "grain", "noise", "checks"])
def test_clear_images_are_returned_bit_for_bit(kind):
    grain = smooth_image(SIZE) + 0.1 * (random_image(SIZE, SIZE, 3) - 0.5)
    checks = np.kron(random_image(16, 16, 3), np.ones((8, 8, 1), np.float32))
    image = {
        "smooth": smooth_image(SIZE),
        "grain": grain,
        "noise": random_image(SIZE, SIZE, 3),
        "checks": checks,
    }[kind]
    np.testing.assert_array_equal(restored(image), image)


def test_outside_of_drops_nothing_changes():
    degraded = drop(smooth_image(SIZE), DROPS)
    far = cv2.dilate(find_drops(degraded.mean(axis=2), Parameters()), np.ones((11, 11))) == 0
    assert far.any()
    np.testing.assert_array_equal(restored(degraded)[far], degraded[far])


def test_slopes_are_those_of_a_plane():
    y, x = np.mgrid[:9, :12].astype(np.float32)
    inside = np.s_[1:-1, 1:-1]
    np.testing.assert_allclose(slopes(0.03 * x + 0.04 * y)[inside], 0.05, rtol=1e-4)


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (3, 4)])
@pytest.mark.parametrize("level", [0.0, 1.0])
def test_tiny_black_and_white_images_stay_as_they_are(shape, level):
    image = np.full((*shape, 3), level, np.float32)
    np.testing.assert_array_equal(restored(image), image)
