"""Signs that a restoration changed more than it should, measured without the true image.

Each sign is a number and its limit. `tests/evaluate/test_guardrails.py` proves the limits: intended
restoration stays below, and an artificial harm is above.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from restore.errors import RestoreError
from restore.evaluate.seams import DEPTH, steps_down
from restore.heads import HEADS
from restore.inspect import judge, suggest

LARGEST = 1024
"""Pixels of the longer side of a picture that is compared: larger ones are cut to their centre."""
BLOCK = 16
FLAT = 0.1
"""Share of the blocks that count as flat: those with the least texture before."""
AROUND, REACH = 40, DEPTH + DEPTH // 2
"""Pixels on either side of a border that are compared with it, and those that it may reach."""

Borders = tuple[Sequence[int], Sequence[int]]
"""Where tiles and windows meet, by rows and by columns: indices of the pixel after the border."""


@dataclass(frozen=True)
class Sign:
    """A measured sign. ``name``: the suspicion, in words. ``value`` and ``limit``: in levels of 8
    bits, or degrees for a hue."""

    name: str
    value: float
    limit: float

    @property
    def excess(self) -> float:
        """Ratio of the value to the limit, above 1."""
        return self.value / self.limit


def suspicious(
    before: np.ndarray, after: np.ndarray, head: str, borders: Borders = ((), ())
) -> tuple[Sign, ...]:
    """Return the signs beyond their limits, worst first.

    ``before`` and ``after`` are H x W x 3 uint8 in sRGB, of one size; ``borders`` are where they
    were cut. Heads that change light by design are not tested for brightness and colours.
    """
    shown = _middle(before)
    old, new = shown.astype(np.float32), _middle(after).astype(np.float32)
    signs = [texture(old, new), seam(before, after, borders)]
    if not (head in HEADS and HEADS[head].changes_light):
        signs.append(hue(old, new))
        if _healthy(shown):  # rain and haze are bright, and removing them darkens
            signs.append(brightness(old, new))
    beyond = [sign for sign in signs if sign.value > sign.limit]
    return tuple(sorted(beyond, key=lambda sign: -sign.excess))


def _healthy(pixels: np.ndarray) -> bool:
    """Whether the judge finds no fault in an image; False if it cannot be judged."""
    try:
        return suggest(judge(pixels)) is None
    except RestoreError:  # reports do not require torch
        return False


def brightness(before: np.ndarray, after: np.ndarray) -> Sign:
    """Measure the change of mean luma."""
    return Sign("brightness moved", abs(float(_luma(after).mean() - _luma(before).mean())), 3.0)


def hue(before: np.ndarray, after: np.ndarray) -> Sign:
    """Measure the change of the mean hue of coloured pixels, in degrees."""
    old, new = _chroma(before), _chroma(after)
    coloured = np.abs(old) > 12
    if coloured.sum() < 64:
        return Sign("hue turned", 0.0, 8.0)
    # Hue changes of single pixels are noise; their sum, weighted by chroma, is not.
    turn = np.angle((new[coloured] * old[coloured].conj()).sum(), deg=True)
    return Sign("hue turned", abs(float(turn)), 8.0)


def texture(before: np.ndarray, after: np.ndarray) -> Sign:
    """Measure how much the texture of the flattest blocks grew, as a standard deviation; an image
    that became brighter as a whole may have proportionally more."""
    old_luma, new_luma = _luma(before), _luma(after)
    old, new = _deviations(old_luma), _deviations(new_luma)
    gain = max(1.0, float(new_luma.mean()) / max(1.0, float(old_luma.mean())))
    flat = old <= np.quantile(old, FLAT)
    grown = float((new[flat] / gain - old[flat]).mean())
    return Sign("flat areas gained texture", grown, 1.5)


def seam(before: np.ndarray, after: np.ndarray, borders: Borders) -> Sign:
    """Measure how much more the change steps over the worst border, or forms a line along it, than
    anywhere around it.

    Steps of the original image do not count. The median along the border counts: a seam runs along
    all of it, and an object that ends there does not. Inputs are H x W x 3; the measure is in luma.
    """
    rows, columns = borders
    turned = before.swapaxes(0, 1), after.swapaxes(0, 1)
    excesses = [*_excesses(before, after, rows), *_excesses(*turned, columns)]
    return Sign("tile border shows", max(excesses, default=0.0), 3.0)


def _excesses(before: np.ndarray, after: np.ndarray, borders: Sequence[int]) -> Iterator[float]:
    for border in borders:
        top = max(0, border - AROUND)
        old, new = (_luma(x[top : border + AROUND].astype(np.float32)) for x in (before, after))
        if len(old) <= 2 * REACH:
            continue
        places, steps = steps_down(new - old)
        half = DEPTH // 2
        # Two steps of opposite signs, one on either side of a place, make a line.
        lines = (steps[:, 2 * half :] - steps[:, : -2 * half]) / 2
        places, steps = places[half:-half] + top, steps[:, half:-half]
        elsewhere = abs(places[:, None] - np.array(borders)).min(axis=1) >= REACH
        for found in (steps, lines):
            medians = np.median(abs(found), axis=0)
            if (places == border).any() and elsewhere.any():
                yield float(medians[places == border][0] - medians[elsewhere].max())


def _middle(pixels: np.ndarray) -> np.ndarray:
    top, left = (max(0, (length - LARGEST) // 2) for length in pixels.shape[:2])
    return pixels[top : top + LARGEST, left : left + LARGEST]


def _luma(pixels: np.ndarray) -> np.ndarray:
    return np.asarray(pixels @ np.array([0.299, 0.587, 0.114], np.float32))  # ITU-R BT.601


def _chroma(pixels: np.ndarray) -> np.ndarray:
    """Return Cb + i Cr of BT.601, of means over 4 x 4 pixels, so that noise has no hue."""
    height, width = (length // 4 * 4 for length in pixels.shape[:2])
    cells = pixels[:height, :width].reshape(height // 4, 4, width // 4, 4, 3).mean(axis=(1, 3))
    luma = _luma(cells)
    return np.asarray(0.564 * (cells[..., 2] - luma) + 0.713j * (cells[..., 0] - luma))


def _deviations(luma: np.ndarray) -> np.ndarray:
    missing = [(0, -length % BLOCK) for length in luma.shape]
    luma = np.pad(luma, missing, "edge")
    height, width = luma.shape
    blocks = luma.reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    return np.asarray(blocks.std(axis=(1, 3)))
