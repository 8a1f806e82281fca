"""PPM and PGM of 16 bits, and PFM, which is their sister of floats."""

from __future__ import annotations

import re
from typing import Any, BinaryIO

import numpy as np
from PIL import ImageFile

from restore.errors import ImageError
from restore.media.formats import DEPTHS
from restore.media.picture import Picture

PFM_MAGIC = (b"PF\n", b"Pf\n", b"PF\r", b"Pf\r", b"PF ", b"Pf ")
_CHANNELS = {b"P2": 1, b"P3": 3, b"P5": 1, b"P6": 3, b"Pf": 1, b"PF": 3}
_FULL = 65535
_HEADER = re.compile(rb"(P\w)" + rb"(?:\s|#[^\r\n]*[\r\n])+([^\s#]+)" * 3)
"""Kind, width, height, and greatest value or scale, with comments in between."""
_LONGEST_HEADER = 1 << 16


def is_deep(file: ImageFile.ImageFile) -> bool:
    """Whether a PPM that Pillow has identified has over 8 bits a channel."""
    return file.mode.startswith("I") or any(_greatest(tile.args) > 255 for tile in file.tile)


def _greatest(arguments: Any) -> int:
    """What Pillow's decoder of a PPM takes for white."""
    return arguments[1] if isinstance(arguments, tuple) else 255


def decode(stream: BinaryIO) -> Picture:
    kind, shape, last, start = _header(stream)
    stream.seek(start)
    if kind in (b"PF", b"Pf"):
        # A negative scale says that the least byte comes first; its size has no agreed meaning.
        values = _binary(stream, shape, "<f4" if last < 0 else ">f4")
        return Picture(np.ascontiguousarray(values[::-1], np.float32), None, {})
    in_bytes = kind in (b"P5", b"P6")
    values = _binary(stream, shape, ">u2") if in_bytes else _in_digits(stream, shape)
    if last != _FULL:
        values = np.rint(np.minimum(values, last) * (_FULL / last))
    return Picture(values.astype(np.uint16), None, {})


def _binary(stream: BinaryIO, shape: tuple[int, ...], kind: str) -> np.ndarray:
    wanted = int(np.prod(shape)) * np.dtype(kind).itemsize
    content = stream.read(wanted)
    if len(content) < wanted:
        raise ImageError("ends early")
    return np.frombuffer(content, kind).reshape(shape)


def _in_digits(stream: BinaryIO, shape: tuple[int, ...]) -> np.ndarray:
    lines = stream.read().splitlines()
    words = b" ".join(line.split(b"#")[0] for line in lines).split()
    count = int(np.prod(shape))
    if len(words) < count:
        raise ImageError("ends early")
    return np.array([int(word) for word in words[:count]]).reshape(shape)


def size_of_pfm(stream: BinaryIO) -> tuple[int, int]:
    """(height, width) that a PFM claims."""
    shape = _header(stream)[1]
    return shape[0], shape[1]


def _header(stream: BinaryIO) -> tuple[bytes, tuple[int, ...], float, int]:
    """Kind, shape of the pixels, greatest value or scale, and where the pixels begin."""
    stream.seek(0)
    found = _HEADER.match(stream.read(_LONGEST_HEADER))
    if found is None or found[1] not in _CHANNELS:
        raise ImageError("its header makes no sense")
    width, height, last = int(found[2]), int(found[3]), float(found[4])
    if width < 1 or height < 1 or last == 0:
        raise ImageError(f"claims {width} x {height} pixels up to {last:g}")
    channels = _CHANNELS[found[1]]
    shape = (height, width) if channels == 1 else (height, width, channels)
    return found[1], shape, last, found.end() + 1


def encode(picture: Picture) -> bytes:
    height, width = picture.pixels.shape[:2]
    grey = picture.pixels.ndim == 2
    if picture.pixels.dtype == DEPTHS["32f"]:
        head = f"{'Pf' if grey else 'PF'}\n{width} {height}\n-1.0\n"
        return head.encode() + picture.pixels[::-1].astype("<f4").tobytes()
    full = np.iinfo(picture.pixels.dtype).max
    head = f"{'P5' if grey else 'P6'}\n{width} {height}\n{full}\n"
    return head.encode() + picture.pixels.astype(picture.pixels.dtype.newbyteorder(">")).tobytes()
