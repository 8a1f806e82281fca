"""Conversion between 8-bit, 16-bit or float images and the float32 H x W x 3 of the engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from restore.errors import ImageError
from restore.media.colour import rgb
from restore.rows import Rows, Sink

_STRIP = 16
"""Rows that are processed together: temporary arrays are small, also those of wide images."""
_COPIED = 256
"""Rows that are copied together."""
_FULL = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}


def to_float(image: np.ndarray) -> np.ndarray:
    """Convert H x W or H x W x 3, uint8, uint16 or float32, to H x W x 3 float32 in units of full
    scale.

    Floats are not clipped. Raises `ImageError` for anything else, and for NaN or infinity.
    """
    check(image)
    if image.dtype in _FULL:
        return rgb(image.astype(np.float32) / np.float32(_FULL[image.dtype]))
    return rgb(image)


def check(*images: np.ndarray | Rows) -> None:
    """Raise `ImageError` for anything that `to_float` does not accept. Of `Rows`, which are read
    from files, only the first row is checked."""
    for image in images:
        _check(image[:1] if isinstance(image, Rows) else image)


def _check(image: np.ndarray) -> None:
    if not isinstance(image, np.ndarray):
        raise ImageError(f"expected a numpy array, got {type(image).__name__}")
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3):
        raise ImageError(f"expected an H x W x 3 or H x W array, got shape {image.shape}")
    if 0 in image.shape:
        raise ImageError(f"the picture is empty: shape {image.shape}")
    if image.dtype not in (*_FULL, np.float32):
        raise ImageError(f"expected uint8, uint16 or float32 pixels, got {image.dtype}")
    if image.dtype == np.float32 and not all(np.isfinite(strip).all() for strip in _strips(image)):
        raise ImageError("the picture holds NaN or infinity")


def from_float(
    restored: np.ndarray, like: np.ndarray, grey: bool, strength: float = 1.0
) -> np.ndarray:
    """Convert H x W x 3 float32 to the shape and dtype of ``like``; clip, and round integers.

    ``grey``: whether ``like`` is part of a grey image; the result has equal channels then.
    ``strength``: below 1, the result is blended with ``like``.
    """
    result = np.empty(like.shape, like.dtype)
    for top in range(0, len(like), _STRIP):
        rows = slice(top, top + _STRIP)
        result[rows] = _rounded(_blended(restored[rows], like[rows], strength), like[rows], grey)
    return result


def copy_clipped(images: Sequence[np.ndarray | Rows], results: Sequence[np.ndarray | Sink]) -> None:
    """Assign ``images`` to ``results`` by rows, floats clipped to [0, 1]."""
    for image, result in zip(images, results, strict=True):
        for top in range(0, image.shape[0], _COPIED):
            rows = slice(top, min(top + _COPIED, image.shape[0]))
            part = image[rows]
            result[rows] = np.clip(part, 0, 1) if part.dtype.kind == "f" else part


def _blended(restored: np.ndarray, like: np.ndarray, strength: float) -> np.ndarray:
    if strength == 1:
        return restored
    source = to_float(like)
    return source + np.float32(strength) * (restored - source)


def _rounded(restored: np.ndarray, like: np.ndarray, grey: bool) -> np.ndarray:
    if grey:
        # In float64: the float32 mean of three equal values can differ from them.
        mean = restored.mean(axis=2, dtype=np.float64)
        restored = mean if like.ndim == 2 else rgb(mean)
    restored = np.clip(restored, 0, 1)
    if like.dtype in _FULL:
        # Rounded in float64: float32 cannot tell all 65,536 levels from their neighbours' halves.
        levels = restored * np.float64(_FULL[like.dtype])
        return np.rint(levels, out=levels).astype(like.dtype)
    return restored.astype(np.float32)


def is_grey(image: np.ndarray | Rows) -> bool:
    """Whether an image has one channel, or three that are equal everywhere."""
    if image.ndim == 2:
        return True
    return all(bool((strip == strip[..., :1]).all()) for strip in _strips(image))


def _strips(image: np.ndarray | Rows) -> Iterator[np.ndarray]:
    return (image[top : top + _STRIP] for top in range(0, len(image), _STRIP))
