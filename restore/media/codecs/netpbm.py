"""PPM and PGM of 16 bits, and PFM, which is their sister of floats."""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np
from PIL import ImageFile

from restore.media.formats import DEPTHS
from restore.media.picture import Picture

PFM_MAGIC = (b"PF\n", b"Pf\n", b"PF\r", b"Pf\r", b"PF ", b"Pf ")
_FULL = 65535


def is_deep(file: ImageFile.ImageFile) -> bool:
    """Whether a PPM that Pillow has identified has over 8 bits a channel."""
    return file.mode.startswith("I") or any(_greatest(tile.args) > 255 for tile in file.tile)


def _greatest(arguments: Any) -> int:
    """What Pillow's decoder of a PPM takes for white."""
    return arguments[1] if isinstance(arguments, tuple) else 255


def decode(stream: BinaryIO) -> Picture:
    import cv2

    stream.seek(0)
    content = stream.read()
    data = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if data is None:
        raise ValueError("it ends early, or its header makes no sense")
    if data.dtype == DEPTHS["16"]:
        white = int(_header(content)[3])
        if white != _FULL:
            data = np.rint(data * (_FULL / white)).astype(np.uint16)
    return Picture(_swapped(data), None, {})


def size_of_pfm(stream: BinaryIO) -> tuple[int, int]:
    """(height, width) that a PFM claims."""
    stream.seek(0)
    width, height = (int(word) for word in _header(stream.read(4096))[1:3])
    return height, width


def _header(content: bytes) -> list[bytes]:
    """Its first words: kind, width, height, greatest value; there are comments in between."""
    lines = content[:4096].split(b"\n")
    return b" ".join(line.split(b"#")[0] for line in lines).split(maxsplit=4)


def encode(picture: Picture) -> bytes:
    import cv2

    kind = ".pfm"
    if picture.pixels.dtype != DEPTHS["32f"]:
        kind = ".pgm" if picture.pixels.ndim == 2 else ".ppm"
    done, content = cv2.imencode(kind, _swapped(picture.pixels))
    if not done:
        raise ValueError("OpenCV could not encode it")
    return content.tobytes()


def _swapped(data: np.ndarray) -> np.ndarray:
    """RGB for BGR and the other way round; grey as it is."""
    return np.ascontiguousarray(data if data.ndim == 2 else data[..., ::-1])
