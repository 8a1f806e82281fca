from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from restore.errors import ImageError
from restore.evaluate.metrics import psnr, ssim


def pair(height: int, width: int, colour: bool, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A smooth uint8 picture, and the same with noise of a random strength."""
    random = np.random.default_rng(seed)
    shape = (height, width, 3) if colour else (height, width)
    y, x = np.mgrid[:height, :width]
    wave = 128 + 100 * np.sin(x / 5 + seed) * np.cos(y / 7)
    target = np.rint(np.broadcast_to(wave[..., None], (*wave.shape, 3)) if colour else wave)
    noise = random.normal(0, random.uniform(1, 80), shape)
    return np.clip(target + noise, 0, 255).astype(np.uint8), target.astype(np.uint8)


PAIRS = st.builds(
    pair, st.integers(11, 48), st.integers(11, 48), st.booleans(), st.integers(0, 10**6)
)


@settings(deadline=None)
@given(PAIRS)
def test_psnr_agrees_with_scikit_image(images: tuple[np.ndarray, np.ndarray]) -> None:
    output, target = images
    expected = peak_signal_noise_ratio(target, output, data_range=255)
    assert psnr(output, target) == pytest.approx(expected, abs=1e-6)


@settings(deadline=None)
@given(PAIRS)
def test_ssim_agrees_with_scikit_image(images: tuple[np.ndarray, np.ndarray]) -> None:
    output, target = images
    expected = structural_similarity(
        output,
        target,
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        channel_axis=2 if output.ndim == 3 else None,
    )
    assert ssim(output, target) == pytest.approx(expected, abs=1e-6)


def test_a_known_error_has_a_known_psnr() -> None:
    target = np.full((20, 20, 3), 100, np.uint8)
    assert psnr(target + 10, target) == pytest.approx(20 * math.log10(25.5))
    assert psnr(target - 10, target) == psnr(target + 10, target)  # not wrapped round below zero


def test_floats_are_compared_as_they_are() -> None:
    target = np.full((20, 20), 250, np.uint8)
    output = np.full((20, 20), 265.5, np.float32)  # neither clipped nor rounded
    assert psnr(output, target) == pytest.approx(20 * math.log10(255 / 15.5))


def test_equal_pictures_are_perfect() -> None:
    _, target = pair(20, 30, True, 0)
    assert psnr(target, target.copy()) == math.inf
    assert ssim(target, target.copy()) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("metric", [psnr, ssim])
@pytest.mark.parametrize("other", [(20, 29, 3), (20, 30), (1, 30, 3)], ids=str)
def test_different_shapes_are_refused(metric: object, other: tuple[int, ...]) -> None:
    assert callable(metric)
    with pytest.raises(ImageError, match=r"\Apictures differ in shape: \(20, 30, 3\) and .*\Z"):
        metric(np.zeros((20, 30, 3), np.uint8), np.zeros(other, np.uint8))


def test_ssim_refuses_what_is_smaller_than_its_window() -> None:
    small = np.zeros((10, 30), np.uint8)
    with pytest.raises(ImageError, match=r"\ASSIM needs pictures of at least 11 x 11 pixels.*\Z"):
        ssim(small, small)
