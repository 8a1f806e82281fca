from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from restore.engine.pixels import from_float, is_grey, to_float
from restore.errors import ImageError


def test_integers_are_divided_by_full_scale() -> None:
    levels = np.array([[[0, 51, 255]]], np.uint8)
    np.testing.assert_array_equal(to_float(levels), np.float32([[[0, 0.2, 1]]]))
    levels = np.array([[[0, 13107, 65535]]], np.uint16)
    np.testing.assert_array_equal(to_float(levels), np.float32([[[0, 0.2, 1]]]))


def test_floats_are_taken_as_they_are() -> None:
    image = np.float32([[[-0.5, 0.5, 1.5]]])
    np.testing.assert_array_equal(to_float(image), image)


def test_grey_fills_three_channels() -> None:
    result = to_float(np.array([[0, 255]], np.uint8))
    np.testing.assert_array_equal(result, np.float32([[[0, 0, 0], [1, 1, 1]]]))
    assert result.dtype == np.float32


BAD: dict[str, tuple[Any, str]] = {
    "list": ([[0, 1], [2, 3]], "numpy array, got list"),
    "float64": (np.zeros((4, 4, 3)), "float64"),
    "signed": (np.zeros((4, 4, 3), np.int32), "int32"),
    "bool": (np.zeros((4, 4), bool), "bool"),
    "alpha": (np.zeros((4, 4, 4), np.uint8), r"\(4, 4, 4\)"),
    "one channel": (np.zeros((4, 4, 1), np.uint8), r"\(4, 4, 1\)"),
    "line": (np.zeros(4, np.uint8), r"\(4,\)"),
    "batch": (np.zeros((1, 4, 4, 3), np.uint8), r"\(1, 4, 4, 3\)"),
    "no rows": (np.zeros((0, 4, 3), np.uint8), "empty"),
    "no columns": (np.zeros((4, 0), np.uint8), "empty"),
    "nan": (np.full((4, 4, 3), np.nan, np.float32), "NaN or infinity"),
    "infinity": (np.full((4, 4), -np.inf, np.float32), "NaN or infinity"),
}


@pytest.mark.parametrize(("image", "what"), BAD.values(), ids=BAD)
def test_anything_else_is_refused_in_one_line(image: Any, what: str) -> None:
    with pytest.raises(ImageError, match=rf"\A.*{what}.*\Z"):
        to_float(image)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_level_survives_the_round_trip(dtype: type) -> None:
    levels = np.arange(np.iinfo(dtype).max + 1, dtype=dtype)
    colour = np.stack((levels, levels[::-1], np.roll(levels, 1)), axis=1)[None]
    grey = levels[None]
    for image in (colour, grey):
        result = from_float(to_float(image), image, is_grey(image))
        assert result.dtype == dtype
        np.testing.assert_array_equal(result, image)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_integers_are_rounded_never_truncated(dtype: type) -> None:
    like = np.array([[[0, 1, 2]]], dtype)
    restored = np.float32([[[99.6, 100.4, 7]]]) / np.float32(np.iinfo(dtype).max)
    np.testing.assert_array_equal(
        from_float(restored, like, False), np.array([[[100, 100, 7]]], dtype)
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_what_leaves_the_range_is_clipped(dtype: type) -> None:
    like = np.array([[[0, 1, 2]]], dtype)
    full = 1 if dtype == np.float32 else np.iinfo(dtype).max
    result = from_float(np.float32([[[-0.3, 1.7, 0]]]), like, False)
    assert result.dtype == dtype
    np.testing.assert_array_equal(result, np.array([[[0, full, 0]]], dtype))


def test_a_colour_picture_keeps_its_three_channels() -> None:
    like = np.array([[[1, 2, 3]]], np.uint8)
    restored = np.float32([[[0.2, 0.4, 0.6]]])
    np.testing.assert_array_equal(from_float(restored, like, False), np.array([[[51, 102, 153]]]))


def test_a_grey_picture_gets_the_mean_of_the_channels() -> None:
    restored = np.float32([[[0.1, 0.3, 0.8]]])
    for shape in ((1, 1), (1, 1, 3)):
        result = from_float(restored, np.zeros(shape, np.uint8), True)
        np.testing.assert_array_equal(result, np.full(shape, 102))


def test_equal_channels_come_back_to_the_last_bit() -> None:
    # The mean of three equal numbers, taken in float32, is often their neighbour.
    grey = np.random.default_rng(0).random((50, 50), dtype=np.float32)
    np.testing.assert_array_equal(from_float(to_float(grey), grey, True), grey)


def test_one_pixel_of_colour_makes_a_picture_colour() -> None:
    image = np.full((5, 5, 3), 7, np.uint8)
    assert is_grey(image)
    assert is_grey(image[..., 0])
    for channel in range(3):
        tinted = image.copy()
        tinted[2, 3, channel] = 8
        assert not is_grey(tinted)
