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
from restore.inspect import Findings, inspect, suggest, verdicts
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
        findings = inspect(image)
        assert findings.noise is not None
        assert findings.noise.sigma == pytest.approx(sigma, rel=0.15)
        assert verdicts(findings)[0].head == "denoise"


def strength(kind: str, findings: Findings) -> float:
    assert findings.noise is not None
    assert findings.rain is not None
    assert findings.blur is not None
    assert findings.haze is not None
    return {
        "noise": findings.noise.sigma,
        "camera-noise": findings.noise.sigma,
        "blur": findings.blur,
        "rain": findings.rain.strength,
        "haze": findings.haze,
        "lowlight": findings.darkness,
    }[kind]


HEADS = {
    "noise": "denoise",
    "blur": "deblur",
    "rain": "derain",
    "haze": "dehaze",
    "lowlight": "enhance",
}


@pytest.mark.parametrize("kind", ["noise", "camera-noise", "rain", "haze", "lowlight"])
def test_more_of_an_ailment_measures_more(kind: str) -> None:
    # In a downpour one streak hides another.
    severities = (0, 0.15, 0.3, 0.45, 0.6) if kind == "rain" else (0, 0.25, 0.5, 0.75, 1)
    measured = [
        strength(kind, inspect(degrade(kind, CLEAN, severity, seed=4))) for severity in severities
    ]
    assert measured == sorted(measured)
    assert measured[0] < measured[1] < measured[-1]


@pytest.mark.parametrize("sigma", [0, 4])
def test_more_blur_measures_more_even_under_noise(sigma: float) -> None:
    noise = np.random.default_rng(0).normal(0, sigma, CLEAN.shape)
    measured = []
    for radius in (0.5, 1, 2, 3, 4):
        blurred = cv2.GaussianBlur(CLEAN, (0, 0), radius) + noise
        findings = inspect(np.clip(np.rint(blurred), 0, 255).astype(np.uint8))
        measured.append(strength("blur", findings))
    assert measured == sorted(measured)


@pytest.mark.parametrize("severity", [0.2, 0.4, 0.6, 0.8, 1])
def test_shake_measures_more_than_a_steady_hand(severity: float) -> None:
    # Noise grows with the severity, so that it does not rise all the way.
    steady = strength("blur", inspect(CLEAN))
    assert strength("blur", inspect(degrade("blur", CLEAN, severity, seed=4))) > steady + 0.08


@pytest.mark.parametrize("kind", sorted(HEADS))
def test_a_degraded_picture_gets_the_head_against_it(kind: str) -> None:
    assert suggest(inspect(degrade(kind, CLEAN, 0.7, seed=4))) == HEADS[kind]


def test_stronger_jpeg_has_more_blocks(tmp_path: Path) -> None:
    found = []
    for quality in (95, 60, 30, 10):
        path = saved(tmp_path / "cat.jpg", CLEAN, quality=quality)
        found.append(inspect(np.asarray(Image.open(path))).blocking)
    assert found == sorted(found)
    assert found[0] < 0.1 < 0.5 < found[-1]


def test_one_thing_in_focus_is_enough() -> None:
    blurred = cv2.GaussianBlur(CLEAN, (0, 0), 6)
    partly = blurred.copy()
    partly[100:200, 150:300] = CLEAN[100:200, 150:300]
    assert suggest(inspect(blurred)) == "deblur"
    assert suggest(inspect(partly)) is None


@pytest.mark.parametrize("side", [1, 2, 7, 8, 9, 16, 17, 33, 64])
@pytest.mark.parametrize("channels", [(), (3,)], ids=["grey", "colour"])
def test_any_size_and_any_plain_picture_is_judged(side: int, channels: tuple[int, ...]) -> None:
    rng = np.random.default_rng(side)
    for other in (1, 8, 40):
        shape = (side, other, *channels)
        pictures = [np.full(shape, level, np.uint8) for level in (0, 128, 255)]
        pictures.append(rng.integers(0, 256, shape, dtype=np.uint8))
        for picture in pictures:
            assert len(verdicts(inspect(picture))) == 6
            suggest(inspect(picture))


def test_what_cannot_be_estimated_is_none() -> None:
    findings = inspect(np.full((1, 1), 100, np.uint8))
    assert (findings.noise, findings.blur, findings.haze, findings.rain) == (None,) * 4
    assert findings.blocking is None
    assert suggest(findings) is None
    plain = inspect(np.full((100, 100, 3), 200, np.uint8))
    assert (plain.noise is not None, plain.blur, plain.haze) == (True, None, None)
    assert suggest(plain) is None


def test_grey_is_judged_as_the_same_picture_in_colour() -> None:
    grey = CLEAN[..., 1]
    one, other = inspect(grey), inspect(np.dstack([grey] * 3))
    assert one.noise is not None
    assert other.noise is not None
    assert one.noise.sigma == pytest.approx(other.noise.sigma, rel=0.05)
    assert (one.haze, one.rain, one.darkness) == (other.haze, other.rain, other.darkness)


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
    noise = inspect(np.rint(noisy).astype(np.uint8)).noise
    assert noise is not None
    assert noise.sigma == pytest.approx(12, rel=0.05)
