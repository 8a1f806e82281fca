"""Blurred inputs come to lie over their targets."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from tiny_run import clean_pictures, picture_pairs

from restore.train.align import aligned, warped


def scene(height: int = 240, width: int = 320) -> np.ndarray:
    """Texture of several scales, as photographs have."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((height, width, 3)).astype(np.float32)
    total = sum(s * cv2.GaussianBlur(noise, (0, 0), s) for s in (1, 3, 9, 27))
    low, high = total.min(), total.max()
    return ((total - low) / (high - low) * 255).round().astype(np.uint8)


def displaced(picture: np.ndarray, x: float, y: float) -> np.ndarray:
    """Shift an image by ``x`` pixels to the right and ``y`` down."""
    motion = np.array([[1, 0, x], [0, 1, y]], np.float32)
    height, width = picture.shape[:2]
    return cv2.warpAffine(picture, motion, (width, height), borderMode=cv2.BORDER_REFLECT)


def error(one: np.ndarray, other: np.ndarray) -> float:
    """Mean square, away from the border."""
    inner = np.s_[20:-20, 20:-20]
    return float(np.square(one[inner].astype(float) - other[inner]).mean())


@pytest.mark.parametrize(("x", "y"), [(0.5, 0), (0, -1), (1.5, 1.5), (-3, 0.5)])
def test_a_displacement_is_undone(x: float, y: float) -> None:
    sharp = scene()
    blurred = cv2.blur(sharp, (7, 1))
    moved = displaced(blurred, x, y)
    assert error(warped(moved, sharp), blurred) < 0.15 * error(moved, blurred)


def test_what_lies_right_stays() -> None:
    sharp = scene()
    blurred = cv2.blur(sharp, (1, 9))
    assert error(warped(blurred, sharp), blurred) < 0.05 * error(blurred, sharp)


def test_a_flat_picture_stays_as_it_is() -> None:
    flat = np.full((60, 80, 3), 90, np.uint8)
    assert np.array_equal(warped(flat, flat), flat)


@pytest.mark.parametrize("size", [(8, 40), (9, 9), (1, 9), (31, 300), (32, 33)])
def test_small_pictures_are_no_trouble(size: tuple[int, int]) -> None:
    small = scene(*size)
    assert warped(small, small).shape == small.shape


def test_only_pairs_are_aligned() -> None:
    pair = displaced(scene(), 2, 0), scene()
    ((moved, target),) = aligned(picture_pairs(pair)).items
    assert np.array_equal(target, pair[1])
    assert error(moved, target) < error(*pair)
    clean = clean_pictures(scene())
    assert aligned(clean) is clean
