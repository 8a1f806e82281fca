"""JPEG of 12 bits and lossless JPEG (2 to 16 bits), which Pillow cannot read, by imagecodecs."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image

from restore.errors import ImageError
from restore.media.file_errors import line

_START_OF_SCAN = 0xDA
_WITHOUT_LENGTH = frozenset((0x01, *range(0xD0, 0xD9)))
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of the frame header. The others in this range are tables."""
_LOSSLESS = frozenset((0xC3, 0xC7, 0xCB, 0xCF))
_KEPT = frozenset((*range(0xE0, 0xF0), 0xFE))
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
    for marker, body in _segments(stream):
        if marker in _FRAMES and len(body) >= 5:
            return Frame(marker, *struct.unpack_from(">BHH", body))
    return None


def _segments(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield marker and content of each segment before the first scan."""
    stream.seek(2)
    while stream.read(1) == b"\xff":
        while (code := stream.read(1)) == b"\xff":  # any number of fill bytes
            pass
        marker = code[0] if code else _START_OF_SCAN
        if marker == _START_OF_SCAN:
            return
        if marker in _WITHOUT_LENGTH:
            continue
        size = stream.read(2)
        if len(size) < 2:
            return
        yield marker, stream.read(struct.unpack(">H", size)[0] - 2)


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
    own = b"".join(
        struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body
        for marker, body in _segments(stream)
        if marker in _KEPT
    )
    content = buffer.getvalue()
    return io.BytesIO(content[:2] + own + content[2:])
