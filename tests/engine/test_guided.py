"""Changes of a reduced picture reach every pixel of the picture."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restore.engine.guided import FLAT, RADIUS, Carried, evidence, linear_map, reduced, strips

SIZES = [(480, 640), (300, 200), (1, 900), (900, 1), (97, 1000)]
SIDE = 64


def picture(height: int, width: int) -> np.ndarray:
    """Fine texture over patches of different brightness, in [0, 1]."""
    rng = np.random.default_rng(height * width)
    blocks = rng.random((height // 40 + 1, width // 40 + 1, 3)).repeat(40, 0).repeat(40, 1)
    texture = rng.random((height, width, 3))
    return (0.6 * blocks[:height, :width] + 0.4 * texture).astype(np.float32)


def carried_over(image: np.ndarray, small: np.ndarray, restored: np.ndarray) -> np.ndarray:
    """The whole picture, which is asked for some rows at a time."""
    change = Carried(small, restored, len(image))
    return np.concatenate([change(rows, image[rows]) for rows in strips(len(image))])


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 128))
def test_the_shorter_side_is_brought_down_and_the_shape_kept(
    height: int, width: int, side: int
) -> None:
    image = picture(height, width)
    small = reduced(image, side)
    shorter = min(height, width)
    if shorter <= side:
        np.testing.assert_array_equal(small, image)
        return
    assert min(small.shape[:2]) == side
    assert small.shape[0] / height == pytest.approx(side / shorter, abs=0.51 / height)
    assert small.shape[1] / width == pytest.approx(side / shorter, abs=0.51 / width)
    assert small.mean() == pytest.approx(image.mean(), abs=0.03)


@pytest.mark.parametrize("size", [(480, 640), (97, 1000), (1030, 77)])
def test_a_picture_looked_at_in_strips_is_the_picture(size: tuple[int, int]) -> None:
    """The same by OpenCV for the whole image: means of areas, and linear enlargement."""
    image = picture(*size)
    small = reduced(image, SIDE)
    wide, high = small.shape[1], small.shape[0]
    means = cv2.resize(image, (wide, high), interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(small, means, atol=1e-5)
    answer = small[::-1].copy()
    slope, offset = linear_map(small, answer, RADIUS, FLAT)
    slope, offset = (
        cv2.resize(part.astype(np.float32), (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
        for part in (slope, offset)
    )
    np.testing.assert_allclose(
        carried_over(image, small, answer), slope * image + offset, atol=1e-4
    )


@pytest.mark.parametrize("size", SIZES)
def test_no_change_is_none(size: tuple[int, int]) -> None:
    image = picture(*size)
    small = reduced(image, SIDE)
    np.testing.assert_allclose(carried_over(image, small, small), image, atol=2e-5)


@pytest.mark.parametrize("size", SIZES)
def test_a_picture_that_was_not_reduced_gets_the_answer_itself(size: tuple[int, int]) -> None:
    image = picture(*size)
    answer = image[::-1].copy()
    np.testing.assert_array_equal(carried_over(image, image, answer), answer)


@pytest.mark.parametrize("size", [(480, 640), (300, 200), (97, 1000)])
def test_haze_of_one_density_is_lifted_from_every_detail(size: tuple[int, int]) -> None:
    """J = (I - A (1 - t)) / t, whose texture the reduced picture does not show."""
    clear = picture(*size)
    colour = np.array([0.9, 0.8, 0.95], np.float32)
    hazy = 0.5 * clear + 0.5 * colour
    result = carried_over(hazy, reduced(hazy, SIDE), reduced(clear, SIDE))
    assert np.abs(result - clear).max() < 0.05
    assert np.square(result - clear).mean() < 0.01 * np.square(hazy - clear).mean()


def test_haze_that_thickens_is_lifted_smoothly() -> None:
    clear = picture(480, 640)
    t = np.linspace(0.9, 0.4, 640, dtype=np.float32)[None, :, None]
    hazy = clear * t + (1 - t)
    result = carried_over(hazy, reduced(hazy, SIDE), reduced(clear, SIDE))
    difference = (result - clear).mean(axis=(0, 2))
    assert np.abs(difference).max() < 0.06
    assert np.abs(np.diff(difference)).max() < 0.02  # no steps


def test_grey_stays_grey_and_inputs_stay_as_they_are() -> None:
    grey = np.repeat(picture(200, 300)[..., :1], 3, axis=2)
    small = reduced(grey, SIDE)
    answer = np.sqrt(small)
    before = [array.copy() for array in (grey, small, answer)]
    result = carried_over(grey, small, answer)
    assert np.array_equal(result[..., 0], result[..., 1])
    assert np.array_equal(result[..., 0], result[..., 2])
    for array, was in zip((grey, small, answer), before, strict=True):
        assert np.array_equal(array, was)


@pytest.mark.parametrize("slope_of_flat", [0, 1])
def test_windows_that_are_flat_get_the_slope_given(slope_of_flat: int) -> None:
    """A picture as its own guide: steps far above the limit stay, ripples far below it go, or stay
    too."""
    step = np.where(np.arange(100) < 50, 0.2, 0.8)
    ripple = np.where(np.arange(100) % 2, 0.005, -0.005)
    picture = np.tile(step + ripple, (60, 1)).astype(np.float32)
    slope, offset = linear_map(picture, picture, 8, 1e-3, slope_of_flat)
    row = (slope * picture + offset)[30]
    assert row[:49] == pytest.approx(0.2, abs=0.02)
    assert row[51:] == pytest.approx(0.8, abs=0.02)
    left = np.ptp(row[:30]) / np.ptp(picture[30, :30])
    assert left == pytest.approx(slope_of_flat, abs=0.1)


def test_photographs_tell_of_their_light_and_blank_pictures_do_not() -> None:
    textured = picture(128, 170)
    assert evidence(textured) == 1
    assert evidence(0.1 * textured + 0.9) == 1  # through dense haze
    step = np.full((128, 170, 3), 0.6, np.float32)
    step[:, 80:] = 0.9
    ramp = np.broadcast_to(np.linspace(0, 1, 170, dtype=np.float32)[:, None], (128, 170, 3))
    for blank in (np.full((1, 1, 3), 0.5, np.float32), step, ramp.copy()):
        assert evidence(blank) == 0
    assert evidence(step + np.float32(1e-6) * textured) == 0


def test_the_darkest_scenes_tell_of_their_light() -> None:
    textured = np.random.default_rng(2).random((64, 64, 3), dtype=np.float32)
    dark = np.rint(textured * 3).astype(np.float32) / 255  # which 8 bits leave with four levels
    dark[: 64 * 6 // 10] = 0
    assert evidence(dark) == 1
