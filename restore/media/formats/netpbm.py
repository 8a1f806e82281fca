"""PPM and PGM: 8 bits by Pillow, 16 bits by code of our own."""

from __future__ import annotations

import re
from typing import Any, BinaryIO

import numpy as np
from PIL import ImageFile

from restore.errors import ImageError
from restore.media.formats import pillow_helpers
from restore.media.formats.format import NO_ALPHA, Format, check_size
from restore.media.picture import Picture

_NAME = "PPM"
_CHANNELS = {b"P2": 1, b"P3": 3, b"P5": 1, b"P6": 3, b"Pf": 1, b"PF": 3}
_FULL = 65535
_HEADER = re.compile(rb"(P\w)" + rb"(?:\s|#[^\r\n]*[\r\n])+([^\s#]+)" * 3)
"""Kind, width, height, and greatest value or scale, with comments in between."""
_LONGEST_HEADER = 1 << 16


def recognises(head: bytes) -> bool:
    return len(head) > 1 and head[:1] == b"P" and head[1:2] in b"0123456y"


def decode(stream: BinaryIO, max_pixels: int) -> Picture:
    with pillow_helpers.identified(stream, _NAME) as file:
        check_size(file.height, file.width, max_pixels)
        return _decode_deep(stream) if _is_deep(file) else pillow_helpers.decode(file)


def _is_deep(file: ImageFile.ImageFile) -> bool:
    """Whether a file has over 8 bits per channel."""
    return file.mode.startswith("I") or any(_greatest(tile.args) > 255 for tile in file.tile)


def _greatest(arguments: Any) -> int:
    """Return the value of white in the arguments of Pillow's decoder."""
    return arguments[1] if isinstance(arguments, tuple) else 255


def _decode_deep(stream: BinaryIO) -> Picture:
    kind, shape, last, start = header(stream)
    stream.seek(start)
    in_bytes = kind in (b"P5", b"P6")
    values = binary(stream, shape, ">u2") if in_bytes else _in_digits(stream, shape)
    if last != _FULL:
        values = np.rint(np.minimum(values, last) * (_FULL / last))
    return Picture(values.astype(np.uint16), None, {})


def binary(stream: BinaryIO, shape: tuple[int, ...], kind: str) -> np.ndarray:
    """Read values of NumPy's type ``kind``. Raises `ImageError` if the file ends early."""
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


def header(stream: BinaryIO) -> tuple[bytes, tuple[int, ...], float, int]:
    """Read the header of a PPM, PGM or PFM.

    Returns:
        Kind, shape of the pixels, greatest value or scale, and offset of the pixels.

    Raises:
        ImageError: for an invalid header.
    """
    stream.seek(0)
    found = _HEADER.match(stream.read(_LONGEST_HEADER))
    if found is None or found[1] not in _CHANNELS:
        raise ImageError("its header is not valid")
    width, height, last = int(found[2]), int(found[3]), float(found[4])
    if width < 1 or height < 1 or last == 0:
        raise ImageError(f"claims {width} x {height} pixels up to {last:g}")
    channels = _CHANNELS[found[1]]
    shape = (height, width) if channels == 1 else (height, width, channels)
    return found[1], shape, last, found.end() + 1


def encode(picture: Picture) -> bytes:
    height, width = picture.pixels.shape[:2]
    kind = "P5" if picture.pixels.ndim == 2 else "P6"
    head = f"{kind}\n{width} {height}\n{np.iinfo(picture.pixels.dtype).max}\n"
    return head.encode() + picture.pixels.astype(picture.pixels.dtype.newbyteorder(">")).tobytes()


PPM = Format(
    _NAME,
    (".ppm", ".pgm", ".pnm"),
    recognises,
    decode,
    encode,
    size=pillow_helpers.sizer(_NAME),
    depths=("8", "16"),
    for_grey=(".pgm",),
    alpha=NO_ALPHA,
)
