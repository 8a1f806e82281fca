"""Each estimator alone: right where the truth is known, and never lost on an odd picture."""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from pictures import saved
from PIL import Image

from restore.degrade.examples import degrade
from restore.inspect import inspect
from restore.inspect.view import reduced, tiles

ROOT = Path(__file__).resolve().parents[2]
CLEAN = np.asarray(Image.open(ROOT / "samples" / "cat-clean.png").convert("RGB"))


def smooth() -> np.ndarray:
    y, x = np.mgrid[:320, :480]
    channels = (60 + x / 4, 70 + y / 3, 200 - x / 5 - y / 8)
    return np.dstack(channels).astype(np.uint8)


def checked() -> np.ndarray:
    """Edges all over, and a fine grating in a third of it."""
    y, x = np.mgrid[:320, :480]
    squares = np.where((x // 24 + y // 24) % 2, 90, 160)
    return np.dstack([np.where(x < 160, 125 + 40 * np.sin(x * 1.3 + y), squares)] * 3).astype(
        np.uint8
    )


@pytest.mark.parametrize("sigma", [5, 10, 25, 50])
@pytest.mark.parametrize("picture", [smooth(), checked(), CLEAN], ids=["smooth", "checked", "cat"])
def test_sigma_is_found_to_15_percent(picture: np.ndarray, sigma: float) -> None:
    drawn = np.random.default_rng(1).normal(0, sigma, picture.shape)
    noisy = np.clip(np.rint(picture + drawn), 0, 255).astype(np.uint8)
    for image in (noisy, noisy[..., 1]):
        assert inspect(image).sigma == pytest.approx(sigma, rel=0.15)


@pytest.mark.parametrize(
    ("kind", "number"), [("noise", "sigma"), ("camera-noise", "sigma"), ("lowlight", "darkness")]
)
def test_more_of_a_fault_measures_more(kind: str, number: str) -> None:
    measured = [
        getattr(inspect(degrade(kind, CLEAN, severity, seed=4)), number)
        for severity in (0, 0.25, 0.5, 0.75, 1)
    ]
    assert measured == sorted(measured)
    assert measured[0] < measured[1] < measured[-1]


def test_stronger_jpeg_has_more_blocks(tmp_path: Path) -> None:
    found = []
    for quality in (95, 60, 30, 10):
        path = saved(tmp_path / "cat.jpg", CLEAN, quality=quality)
        found.append(inspect(np.asarray(Image.open(path))).blocking)
    assert found == sorted(found)
    assert found[0] < 0.1 < 0.5 < found[-1]


@pytest.mark.parametrize("side", [1, 2, 7, 8, 9, 16, 17, 33, 64])
@pytest.mark.parametrize("channels", [(), (3,)], ids=["grey", "colour"])
def test_any_size_and_any_plain_picture_is_measured(side: int, channels: tuple[int, ...]) -> None:
    rng = np.random.default_rng(side)
    for other in (1, 8, 40):
        shape = (side, other, *channels)
        pictures = [np.full(shape, level, np.uint8) for level in (0, 128, 255)]
        pictures.append(rng.integers(0, 256, shape, dtype=np.uint8))
        for picture in pictures:
            assert 0 <= inspect(picture).darkness <= 1


def test_what_cannot_be_estimated_is_none() -> None:
    findings = inspect(np.full((1, 1), 100, np.uint8))
    assert (findings.sigma, findings.blocking) == (None, None)
    plain = inspect(np.full((100, 100, 3), 200, np.uint8))
    assert plain.sigma == pytest.approx(0, abs=1e-3)


def test_grey_is_measured_as_the_same_picture_in_colour() -> None:
    grey = CLEAN[..., 1]
    one, other = inspect(grey), inspect(np.dstack([grey] * 3))
    assert one.sigma == pytest.approx(other.sigma, rel=0.05)
    assert one.darkness == other.darkness


def test_a_large_picture_takes_little_longer() -> None:
    large = cv2.resize(CLEAN, (4000, 3000))
    started = time.process_time()
    inspect(large)
    assert time.process_time() - started < 1.5
    assert reduced(large).shape[:2] == (866, 1155)
    parts = tiles(large)
    assert (len(parts), parts[0].shape) == (16, (256, 256, 3))
    # Where blocks of JPEG begin.
    np.testing.assert_array_equal(parts[5], large[912 : 912 + 256, 1248 : 1248 + 256])


def test_noise_of_a_large_picture_is_that_of_its_pixels() -> None:
    large = np.full((1400, 1600, 3), 120, np.float32)
    noisy = large + np.random.default_rng(0).normal(0, 12, large.shape)
    assert inspect(np.rint(noisy).astype(np.uint8)).sigma == pytest.approx(12, rel=0.05)
