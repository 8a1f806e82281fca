"""AVIF: 8 bits by Pillow; 10 and 12 bits, which Pillow reduces to 8, by imagecodecs."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np
from PIL import ImageFile

from restore.media import assembly
from restore.media.formats import pillow_helpers
from restore.media.formats.format import Format, check_size
from restore.media.picture import EXIF, ICC, XMP, Picture

_NAME = "AVIF"
_KEEPS = (ICC, EXIF, XMP)
_QUALITY, _EXACT_ALPHA = 90, 100
"""AVIF has one quality for colours and alpha. Alpha is exact at 100 only."""
_HEAD = 1 << 16
_CONFIGURATION = b"av1C"
_HIGH, _TWELVE = 0x40, 0x20
_SHARED_BRANDS = (b"mif1", b"msf1")
"""Major brands of HEIF and AVIF alike."""


def recognises(head: bytes) -> bool:
    brand = head[8:12]
    shared = brand in _SHARED_BRANDS and b"avif" in head
    return head[4:8] == b"ftyp" and (brand in (b"avif", b"avis") or shared)


def decode(stream: BinaryIO, max_pixels: int) -> Picture:
    with pillow_helpers.identified(stream, _NAME) as file:
        check_size(file.height, file.width, max_pixels)
        return _decode_deep(stream, file) if _bits(stream) > 8 else pillow_helpers.decode(file)


def _bits(stream: BinaryIO) -> int:
    """Read bits per channel (8, 10 or 12) from the codec configuration (AV1-ISOBMFF 2.3.3)."""
    _, found, body = assembly.peeked(stream, _HEAD).partition(_CONFIGURATION)
    flags = body[2] if found and len(body) > 2 else 0
    if not flags & _HIGH:
        return 8
    return 12 if flags & _TWELVE else 10


def _decode_deep(stream: BinaryIO, file: ImageFile.ImageFile) -> Picture:
    """Decode to 16 bits."""
    import imagecodecs

    full = (1 << _bits(stream)) - 1
    file.load()
    kept, turn, lost = pillow_helpers.carried(file)
    stream.seek(0)
    stored = imagecodecs.avif_decode(stream.read(), index=0)
    data = np.rint(np.minimum(stored, full) * (65535 / full)).astype(np.uint16)
    info = {ICC: file.info.get(ICC)} | kept
    notes = (*pillow_helpers.frames(file), *lost)
    return assembly.picture(assembly.upright(data, turn), info, notes)


def encode(picture: Picture) -> bytes:
    usual = _QUALITY if picture.alpha is None else _EXACT_ALPHA
    quality = picture.info.get("quality", usual)
    return pillow_helpers.encode(picture, _NAME, _KEEPS, quality=quality, subsampling="4:4:4")


AVIF = Format(
    _NAME,
    (".avif",),
    recognises,
    decode,
    encode,
    size=pillow_helpers.sizer(_NAME),
    grey=False,
    keeps=_KEEPS,
    longest=65535,
    lossy=True,
)
