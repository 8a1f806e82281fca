from __future__ import annotations

import cv2
import numpy as np
import pytest

from restore.evaluate import classical
from restore.evaluate.classical import METHODS, methods_of
from restore.evaluate.metrics import psnr
from restore.heads import HEADS


@pytest.fixture
def scene() -> np.ndarray:
    """Smooth shading, and blocks of saturated and dark colours with sharp edges."""
    y, x = np.mgrid[:120, :160] / 160
    picture = np.dstack((0.3 + 0.3 * x, 0.25 + 0.4 * y, 0.5 - 0.3 * x * y))
    random = np.random.default_rng(0)
    for _ in range(30):
        top, left = random.integers(0, 100), random.integers(0, 140)
        colour = random.uniform(0, 1, 3) * (random.permutation(3) > 0)  # one channel dark
        picture[top : top + 20, left : left + 20] = colour
    return np.rint(picture * 255).astype(np.uint8)


def noisy(picture: np.ndarray, sigma: float) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, sigma, picture.shape)
    return np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8)


def gradient_energy(picture: np.ndarray) -> float:
    return float(sum((np.diff(picture.astype(float), axis=axis) ** 2).mean() for axis in (0, 1)))


@pytest.mark.parametrize("sigma", [10, 25, 50])
def test_the_noise_level_is_estimated(sigma: float) -> None:
    flat = np.full((200, 200, 3), 128, np.uint8)
    assert classical.noise_level(noisy(flat, sigma)) == pytest.approx(sigma, rel=0.05)
    assert classical.noise_level(flat) == 0


def test_non_local_means_takes_out_gaussian_noise(scene: np.ndarray) -> None:
    bad = noisy(scene, 25)
    assert psnr(METHODS["nlm"](bad), scene) > psnr(bad, scene) + 4


def test_the_median_takes_out_salt_and_pepper(scene: np.ndarray) -> None:
    random = np.random.default_rng(2)
    bad = scene.copy()
    hit = random.random(scene.shape[:2]) < 0.1
    bad[hit] = random.choice([0, 255], (hit.sum(), 1))
    assert psnr(METHODS["median"](bad), scene) > psnr(bad, scene) + 8


def test_the_unsharp_mask_sharpens(scene: np.ndarray) -> None:
    soft = cv2.GaussianBlur(scene, (0, 0), 1.0)
    sharp = METHODS["unsharp"](soft)
    assert gradient_energy(sharp) > 1.4 * gradient_energy(soft)
    assert psnr(sharp, scene) > psnr(soft, scene) + 1


def test_clahe_raises_local_contrast_and_keeps_grey_grey() -> None:
    y, x = np.mgrid[:128, :160]
    flat = np.rint(110 + 20 * x / 160 + 4 * np.sin(x / 3) * np.sin(y / 4)).astype(np.uint8)
    clear = METHODS["clahe"](np.dstack([flat] * 3))
    assert gradient_energy(clear[..., 0]) > 4 * gradient_energy(flat)
    assert np.ptp(clear.astype(int), axis=2).max() <= 2


def test_gamma_brightens_what_is_dark_alone(scene: np.ndarray) -> None:
    dark = np.rint((scene / 255) ** 2.5 * 120).astype(np.uint8)
    bright = METHODS["gamma"](dark)
    assert 0.3 * 255 < bright.mean() < 0.5 * 255
    assert psnr(bright, scene) > psnr(dark, scene) + 3
    np.testing.assert_array_equal(METHODS["gamma"](255 - dark), 255 - dark)


@pytest.mark.parametrize("value", [0, 255])
def test_gamma_leaves_black_and_white(value: int) -> None:
    plain = np.full((5, 5, 3), value, np.uint8)
    np.testing.assert_array_equal(METHODS["gamma"](plain), plain)


def test_the_dark_channel_prior_takes_out_haze(scene: np.ndarray) -> None:
    depth = np.linspace(3, 0.5, scene.shape[0])[:, None, None]
    transmission = np.exp(-0.7 * depth)
    hazy = scene * transmission + 230 * (1 - transmission)
    bad = np.rint(hazy).astype(np.uint8)
    assert psnr(METHODS["dark-channel"](bad), scene) > psnr(bad, scene) + 4


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("shape", [(1, 1, 3), (11, 17, 3), (40, 30), (2, 2)], ids=str)
def test_any_picture_will_do(name: str, shape: tuple[int, ...]) -> None:
    for picture in (np.random.default_rng(3).integers(0, 256, shape, np.uint8), np.zeros(shape)):
        before = picture.astype(np.uint8)
        before.flags.writeable = False
        after = METHODS[name](before)
        assert after.dtype == np.uint8
        assert after.shape == shape


def test_every_head_has_rivals_and_every_method_is_one() -> None:
    assert all(methods_of(task) for task in HEADS)
    assert {method.name for task in HEADS for method in methods_of(task)} == set(METHODS)
    assert all(method.how for method in METHODS.values())
