"""The views of a picture that its judge sees: places at full resolution, and the whole scene."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from restore.networks.judge.config import SIDE

PER_SIDE = 3
"""Cells down and across a picture; each cell shows one place."""
_SCENE = 4 * SIDE
"""Pixels along the shorter side that the scene is reduced from: more would only cost time."""
_CANDIDATES = 8
"""Candidates along each side of a cell, at most, so that large pictures take no longer."""
_GRID = 8
"""Blocks of JPEG begin at multiples of this."""


@dataclass(frozen=True)
class Views:
    """``places``: P x `SIDE` x `SIDE` x 3 uint8, whose first pixels are at ``corners`` (row,
    column). ``scene``: `SIDE` x `SIDE` x 3 uint8."""

    places: np.ndarray
    corners: tuple[tuple[int, int], ...]
    scene: np.ndarray


def views(pixels: np.ndarray, per_side: int = PER_SIDE) -> Views:
    """Cut the views of H x W x 3 uint8, at least 1 x 1.

    Of every cell, in turn the place with the most and the least texture is chosen: blur shows where
    there is detail, noise where there is none. Pictures below `SIDE` are continued by reflection.
    """
    height, width = pixels.shape[:2]
    step = max(1, min(height, width) // _SCENE)
    sampled = np.ascontiguousarray(pixels[::step, ::step])
    scene = cv2.resize(sampled, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    missing = [(0, max(0, SIDE - side)) for side in (height, width)]
    padded = pixels
    if any(after for _, after in missing):
        padded = np.pad(pixels, (*missing, (0, 0)), mode="symmetric")
    rows, columns = (_cells(side, per_side) for side in padded.shape[:2])
    corners = tuple(
        _chosen(padded, tops, lefts, textured=(i + j) % 2 == 0)
        for i, tops in enumerate(rows)
        for j, lefts in enumerate(columns)
    )
    places = np.stack([padded[top : top + SIDE, left : left + SIDE] for top, left in corners])
    return Views(places, corners, np.atleast_3d(scene))


def _cells(side: int, count: int) -> list[np.ndarray]:
    """Starts of candidates that do not overlap, in at most ``count`` groups of neighbours."""
    fits = min(max(1, side // SIDE), count * _CANDIDATES)
    starts = np.linspace(0, side - SIDE, fits).astype(int) // _GRID * _GRID
    return np.array_split(starts, min(count, fits))


def _chosen(
    pixels: np.ndarray, tops: np.ndarray, lefts: np.ndarray, textured: bool
) -> tuple[int, int]:
    corners = [(int(top), int(left)) for top in tops for left in lefts]
    if len(corners) == 1:
        return corners[0]
    texture = [_texture(pixels[top : top + SIDE, left : left + SIDE]) for top, left in corners]
    return corners[int(np.argmax(texture) if textured else np.argmin(texture))]


def _texture(place: np.ndarray) -> float:
    """Mean step of green from pixel to pixel along every `_GRID`-th row."""
    green = place[::_GRID, :, 1].astype(np.int16)
    return float(np.abs(np.diff(green, axis=1)).mean())
