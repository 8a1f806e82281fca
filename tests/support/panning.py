"""Clips for tests: a photograph of the samples, moving by parts of a pixel."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


def photograph(name: str = "astronaut") -> np.ndarray:
    """H x W x 3 float32 in [0, 1], 60 % of the sample's size."""
    with Image.open(SAMPLES / f"{name}-clean.png") as file:
        full = np.asarray(file.convert("RGB"), np.float32) / 255
    return cv2.resize(full, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)


def panned(
    count: int,
    size: tuple[int, int] = (96, 128),
    step: tuple[float, float] = (0.7, 1.3),
    name: str = "astronaut",
) -> list[np.ndarray]:
    """Frames of ``size``, each ``step`` (down, right) in pixels further."""
    scene, (height, width) = photograph(name), size
    frames = []
    for i in range(count):
        place = np.array([[1, 0, 40 + step[1] * i], [0, 1, 30 + step[0] * i]], np.float32)
        how = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        frames.append(np.clip(cv2.warpAffine(scene, place, (width, height), flags=how), 0, 1))
    return frames


def noise(shape: tuple[int, ...], sigma: float, seed: int, grain: float = 0.0) -> np.ndarray:
    """float32 of scale [0, 1], ``sigma`` on that of 0 to 255; ``grain`` is the deviation of a blur
    in pixels, after which it has ``sigma`` still."""
    values = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    if grain:
        values = cv2.GaussianBlur(values, (0, 0), grain)
    return values * np.float32(sigma / 255 / values.std())


def rounded(frame: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(frame, 0, 1) * 255).astype(np.uint8)
