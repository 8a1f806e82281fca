from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from restore.errors import ImageError
from restore.evaluate.metrics import luma, match_mean, psnr, ssim
from restore.evaluate.report import Case, paired_cases

EVAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "eval"


def pair(height: int, width: int, colour: bool, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A smooth uint8 picture, and the same with noise of a random strength."""
    random = np.random.default_rng(seed)
    shape = (height, width, 3) if colour else (height, width)
    y, x = np.mgrid[:height, :width]
    wave = 128 + 100 * np.sin(x / 5 + seed) * np.cos(y / 7)
    target = np.rint(np.broadcast_to(wave[..., None], (*wave.shape, 3)) if colour else wave)
    noise = random.normal(0, random.uniform(1, 80), shape)
    return np.clip(target + noise, 0, 255).astype(np.uint8), target.astype(np.uint8)


def eval_cases(name: str) -> list[Case]:
    """A set of the workplace's evaluation data, which is not the project's to ship."""
    if not (EVAL / name).is_dir():
        pytest.skip(f"{EVAL / name} is not here")
    return list(paired_cases(EVAL / name / "input", EVAL / name / "target"))


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


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_the_layout_in_memory_does_not_matter(metric: Callable[..., float]) -> None:
    output, target = pair(20, 30, True, 3)
    expected = metric(output, target)
    for view in (np.asfortranarray, lambda x: x[..., ::-1], lambda x: x[::-1, ::-1]):
        assert metric(view(output), view(target)) == pytest.approx(expected, abs=1e-9)
    assert metric(output, np.asfortranarray(target)) == pytest.approx(expected, abs=1e-9)


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


def test_luma_agrees_with_scikit_image() -> None:
    output, _ = pair(20, 30, True, 1)
    expected = np.rint(rgb2ycbcr(output)[..., 0])
    np.testing.assert_array_equal(luma(output), expected)
    np.testing.assert_array_equal(luma(np.uint8([[[0] * 3, [255] * 3]])), [[16, 235]])


def test_luma_of_grey_is_that_of_equal_channels() -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    np.testing.assert_array_equal(luma(grey), luma(np.dstack([grey] * 3)))


def test_metrics_on_luma_agree_with_scikit_image() -> None:
    output, target = (luma(image) for image in pair(20, 30, True, 2))
    expected = peak_signal_noise_ratio(target, output, data_range=255)
    assert psnr(output, target) == pytest.approx(expected, abs=1e-6)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    expected = structural_similarity(output, target, data_range=255, **options)
    assert ssim(output, target) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("colour", [True, False])
def test_matching_the_mean_undoes_a_change_of_exposure(colour: bool) -> None:
    _, target = pair(40, 60, colour, 0)
    dark = np.rint(target * 0.25).astype(np.uint8)
    assert psnr(dark, target) < 15
    assert psnr(match_mean(dark, target), target) > 45  # what rounding the dark picture lost
    np.testing.assert_array_equal(match_mean(target, target), target)


def test_matching_the_mean_clips_and_leaves_black_alone() -> None:
    target = np.full((4, 4, 3), 200, np.uint8)
    uneven = target.copy()
    uneven[:2] = 20
    assert match_mean(uneven, target).max() == 255
    assert match_mean(target * 0, target).max() == 0


@pytest.mark.parametrize(
    ("name", "rgb", "y"),
    [
        ("derain-rain100h", (11.41, 0.331), (12.80, 0.361)),
        ("derain-rain12", (28.08, 0.834), (29.40, 0.854)),
    ],
)
def test_rainy_inputs_measure_as_others_have_measured_them(
    name: str, rgb: tuple[float, float], y: tuple[float, float]
) -> None:
    """The figures of ``shared/peers.md`` on Y fix its convention; those on RGB are our own."""
    pairs = [(case.degraded, case.target) for case in eval_cases(name)]
    for expected, images in ((rgb, pairs), (y, [(luma(a), luma(b)) for a, b in pairs])):
        measured = np.mean([(psnr(a, b), ssim(a, b)) for a, b in images], axis=0)
        assert measured[0] == pytest.approx(expected[0], abs=0.005)
        assert measured[1] == pytest.approx(expected[1], abs=0.0005)


@pytest.mark.parametrize(
    ("name", "raw", "matched"), [("lowlight-lol", 8.90, 19.60), ("lowlight-sice", 9.64, 20.45)]
)
def test_dark_inputs_measure_as_others_have_measured_them(
    name: str, raw: float, matched: float
) -> None:
    pairs = [(case.degraded, case.target) for case in eval_cases(name)]
    assert np.mean([psnr(a, b) for a, b in pairs]) == pytest.approx(raw, abs=0.005)
    both = [psnr(match_mean(a, b), b) for a, b in pairs]
    assert np.mean(both) == pytest.approx(matched, abs=0.005)


@pytest.mark.parametrize("metric", [psnr, ssim, match_mean])
@pytest.mark.parametrize("other", [(20, 29, 3), (20, 30), (1, 30, 3)], ids=str)
def test_different_shapes_are_refused(metric: object, other: tuple[int, ...]) -> None:
    assert callable(metric)
    with pytest.raises(ImageError, match=r"\Apictures differ in shape: \(20, 30, 3\) and .*\Z"):
        metric(np.zeros((20, 30, 3), np.uint8), np.zeros(other, np.uint8))


def test_ssim_refuses_what_is_smaller_than_its_window() -> None:
    small = np.zeros((10, 30), np.uint8)
    with pytest.raises(ImageError, match=r"\ASSIM needs pictures of at least 11 x 11 pixels.*\Z"):
        ssim(small, small)
