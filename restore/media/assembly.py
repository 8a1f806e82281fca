"""Conversion between the channel arrays of codecs and `Picture`."""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np

from restore.errors import ImageError
from restore.media.picture import Picture

INVERSE = {6: 8, 8: 6}
"""The orientation that undoes another one; all others undo themselves."""


def picture(data: np.ndarray, info: dict[str, Any], notes: tuple[str, ...] = ()) -> Picture:
    """Build a `Picture` from decoded channels.

    Args:
        data: H x W (grey), H x W x 2 (grey, alpha), H x W x 3 (RGB) or H x W x 4 (RGBA).
        info: metadata; empty values are dropped.

    Raises:
        ImageError: for more than four channels.
    """
    channels = 1 if data.ndim == 2 else data.shape[2]
    if data.ndim == 3 and channels == 1:
        data = data[..., 0]
    if channels > 4:
        raise ImageError(
            f"holds {channels} channels; grey or RGB, with or without alpha, are supported"
        )
    pixels = data if channels in (1, 3) else data[..., 0] if channels == 2 else data[..., :3]
    alpha = data[..., -1] if channels in (2, 4) else None
    return Picture(
        np.ascontiguousarray(pixels),
        None if alpha is None else np.ascontiguousarray(alpha),
        {key: value for key, value in info.items() if value is not None and value != b""},
        notes,
    )


def peeked(stream: BinaryIO, length: int = -1) -> bytes:
    """Return the first ``length`` bytes of a stream, or all, and restore its position, from which
    Pillow continues."""
    place = stream.tell()
    stream.seek(0)
    content = stream.read(length)
    stream.seek(place)
    return content


def stacked(picture: Picture) -> np.ndarray:
    """Return the pixels with alpha, if present, as the last channel."""
    if picture.alpha is None:
        return np.ascontiguousarray(picture.pixels)
    return np.dstack((picture.pixels, picture.alpha))


def upright(data: np.ndarray, orientation: int) -> np.ndarray:
    """Rotate and flip an array by an EXIF orientation, 1 to 8; any other value counts as 1."""
    turns = {3: 2, 4: 2, 5: 3, 6: 3, 7: 1, 8: 1}.get(orientation, 0)
    turned = np.rot90(data, turns)
    return turned[:, ::-1] if orientation in (2, 4, 5, 7) else turned


def without_multiplied_alpha(data: np.ndarray) -> np.ndarray:
    """Divide colours by alpha in H x W x 2 or 4 with premultiplied alpha. Colours under full
    transparency are unchanged."""
    alpha = data[..., -1:].astype(np.float64)
    white = 1.0 if data.dtype.kind == "f" else float(np.iinfo(data.dtype).max)
    colours = data[..., :-1] * np.divide(white, alpha, out=np.ones_like(alpha), where=alpha > 0)
    if data.dtype.kind != "f":
        colours = np.rint(np.minimum(colours, white))
    return np.concatenate((colours.astype(data.dtype), data[..., -1:]), axis=2)
