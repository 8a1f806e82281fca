"""JPEG of 12 bits and lossless JPEG (2 to 16 bits), which Pillow cannot read, by imagecodecs."""

from __future__ import annotations

import io
import struct
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image

from restore.errors import ImageError
from restore.media.file_errors import line
from restore.media.formats.jpeg.marker_segments import APPLICATION, COMMENT, segment, segments

_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of the frame header. The others in this range are tables."""
_LOSSLESS = frozenset((0xC3, 0xC7, 0xCB, 0xCF))
_KEPT = frozenset((*APPLICATION, COMMENT))
"""Markers of application data and comments."""


class Frame(NamedTuple):
    """The frame header (ITU-T T.81, B.2.2). ``bits``: per channel."""

    marker: int
    bits: int
    height: int
    width: int

    @property
    def is_deep(self) -> bool:
        return self.bits != 8 or self.marker in _LOSSLESS


def frame_of(stream: BinaryIO) -> Frame | None:
    """Read the frame header; None if there is none before the first scan."""
    for marker, body, _ in segments(stream):
        if marker in _FRAMES and len(body) >= 5:
            return Frame(marker, *struct.unpack_from(">BHH", body))
    return None


def pixels_of(stream: BinaryIO, frame: Frame) -> np.ndarray:
    """Decode H x W or H x W x 3, uint8 up to 8 bits, else uint16, scaled to full range.

    Raises `ImageError` for a process or a number of channels that is not supported.
    """
    import imagecodecs

    kind = "lossless" if frame.marker in _LOSSLESS else f"{frame.bits}-bit"
    stream.seek(0)
    try:
        data = imagecodecs.jpeg_decode(stream.read())
    except Exception as error:  # the decoders raise errors of several types
        raise ImageError(f"is a {kind} JPEG that cannot be decoded: {line(error)}") from error
    if data.ndim == 3 and data.shape[2] != 3:
        raise ImageError(
            f"is a {kind} JPEG of {data.shape[2]} channels; grey and RGB are supported"
        )
    full, white = (1 << frame.bits) - 1, np.iinfo(data.dtype).max
    if full >= white:
        return data
    return np.rint(np.minimum(data, full) * (white / full)).astype(data.dtype)


def stand_in(stream: BinaryIO) -> BinaryIO:
    """Return an 8-bit JPEG with the application data and comments of a file, for Pillow to read its
    metadata."""
    buffer = io.BytesIO()
    Image.new("L", (8, 8)).save(buffer, "JPEG")
    own = (segment(marker, body) for marker, body, _ in segments(stream) if marker in _KEPT)
    content = buffer.getvalue()
    return io.BytesIO(b"".join((content[:2], *own, content[2:])))
