"""PFM: floats in the layout of PPM."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np

from restore.errors import ImageError
from restore.media.formats import netpbm
from restore.media.formats.format import NO_ALPHA, Format, check_size
from restore.media.picture import Picture

_KINDS = (b"PF", b"Pf")


def recognises(head: bytes) -> bool:
    return head[:2] in _KINDS and head[2:3] in (b"\n", b"\r", b" ")


def decode(stream: BinaryIO, max_pixels: int) -> Picture:
    kind, shape, scale, start = netpbm.header(stream)
    if kind not in _KINDS:
        raise ImageError("its header is not valid")
    check_size(shape[0], shape[1], max_pixels)
    stream.seek(start)
    # A negative scale means little-endian. Its magnitude has no agreed meaning.
    values = netpbm.binary(stream, shape, "<f4" if scale < 0 else ">f4")
    return Picture(np.ascontiguousarray(values[::-1], np.float32), None, {})


def encode(picture: Picture) -> bytes:
    height, width = picture.pixels.shape[:2]
    kind = "Pf" if picture.pixels.ndim == 2 else "PF"
    head = f"{kind}\n{width} {height}\n-1.0\n"
    return head.encode() + picture.pixels[::-1].astype("<f4").tobytes()


PFM = Format("PFM", (".pfm",), recognises, decode, encode, depths=("32f",), alpha=NO_ALPHA)
