"""The sheet with a photo before and after, from two files."""

import numpy as np
import pytest
from PIL import Image

from benchmark.core.errors import UserError
from benchmark.core.image_io import read_image
from benchmark.restoring.comparison import compare_files, write_comparison


def flat(path, level, size=(60, 40)):
    Image.fromarray(np.full((*size[::-1], 3), level, np.uint8)).save(path)
    return path


def test_two_files_give_the_comparison_of_their_pixels(tmp_path):
    before, after = flat(tmp_path / "a.png", 40), flat(tmp_path / "b.png", 200)
    compare_files(tmp_path / "files.jpg", before, after)
    sheet = read_image(tmp_path / "files.jpg")
    picture = sheet[-40:]  # below the headings
    assert abs(picture[5:-5, 5:50].astype(int) - 40).max() < 5
    assert abs(picture[5:-5, -50:-5].astype(int) - 200).max() < 5
    write_comparison(tmp_path / "pixels.jpg", read_image(before), read_image(after), "")
    assert (read_image(tmp_path / "pixels.jpg") == sheet).all()


def test_a_restoration_of_another_size_is_named(tmp_path):
    before, after = flat(tmp_path / "a.png", 40), flat(tmp_path / "b.png", 40, (30, 20))
    with pytest.raises(UserError, match=r"b\.png' has 30×20 pixels and .*a\.png' 60×40.*--overwr"):
        compare_files(tmp_path / "out.jpg", before, after)
    assert not (tmp_path / "out.jpg").exists()
