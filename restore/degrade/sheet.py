"""A contact sheet of every degradation at several severities."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from restore.degrade.examples import KINDS, degrade
from restore.media.colour import rgb

SEVERITIES = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
SIDE = 256
_LABEL = 14


def contact_sheet(image: np.ndarray, seed: int) -> np.ndarray:
    """Return H x W x 3 uint8: a row for each kind of `KINDS`, a column for each of `SEVERITIES`.

    ``image`` is uint8, H x W x 3 or H x W; its centre is shown, at most 256 pixels a side.
    """
    colour = rgb(image)
    rows = [
        np.concatenate([_labelled(colour, kind, severity, seed) for severity in SEVERITIES], axis=1)
        for kind in KINDS
    ]
    return np.concatenate(rows)


def _labelled(image: np.ndarray, kind: str, severity: float, seed: int) -> np.ndarray:
    # Degraded whole, then cut: haze and blur depend on more than the part shown.
    shown = _middle(degrade(kind, _middle(image, 3 * SIDE), severity, seed), SIDE)
    height, width, _ = shown.shape
    tile = Image.new("RGB", (width, height + _LABEL))
    tile.paste(Image.fromarray(shown), (0, _LABEL))
    mse = np.mean((shown.astype(float) - _middle(image, SIDE)) ** 2)
    psnr = f", {10 * np.log10(255**2 / mse):.1f} dB" if mse else ""
    ImageDraw.Draw(tile).text((3, 1), f"{kind} {severity:g}{psnr}")
    return np.asarray(tile)


def _middle(image: np.ndarray, side: int) -> np.ndarray:
    top, left = (max(length - side, 0) // 2 for length in image.shape[:2])
    return image[top : top + side, left : left + side]
