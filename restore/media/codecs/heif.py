"""HEIC, by pillow-heif: an extra."""

from __future__ import annotations

import io
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from restore.media import metadata
from restore.media.codecs import assemble
from restore.media.codecs.extra import library_of
from restore.media.colour import rgb
from restore.media.formats import EXIF, HEIF, ICC, XMP
from restore.media.picture import Picture

_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"))
_QUALITY = 90
_LOSSLESS = -1


def recognised(head: bytes) -> bool:
    """Whether a file begins as HEIC does; AVIF, which Pillow reads, is of the same family."""
    return head[4:8] == b"ftyp" and head[8:12] in _BRANDS and b"avif" not in head


def opened(stream: BinaryIO) -> Any:
    """pillow-heif's picture, not decoded yet; its ``size`` is width and height."""
    stream.seek(0)
    return library_of(HEIF).open_heif(stream, convert_hdr_to_8bit=False)


def decode(stream: BinaryIO) -> Picture:
    """The first picture, turned as the file says; 10 and 12 bits come as 16."""
    file = opened(stream)
    info = {key: file.info.get(key) for key in (ICC, XMP)}
    info[XMP] = metadata.upright_xmp(info[XMP] or b"")
    notes: tuple[str, ...] = ()
    try:
        exif = Image.Exif()
        exif.load(file.info.get("exif"))
        info[EXIF] = metadata.written(exif)
    except metadata.ODDITIES:
        notes = (metadata.DAMAGED,)
    return assemble.picture(np.asarray(file), info, notes)


def encode(picture: Picture) -> bytes:
    library = library_of(HEIF)
    pixels = rgb(picture.pixels)
    data = pixels if picture.alpha is None else np.dstack((pixels, picture.alpha))
    size = (data.shape[1], data.shape[0])
    file = library.from_bytes("RGB" if data.shape[2] == 3 else "RGBA", size, data.tobytes())
    # Alpha is kept exactly without any loss alone.
    usual = _QUALITY if picture.alpha is None else _LOSSLESS
    quality = picture.info.get("quality", usual)
    options = {key: picture.info[key] for key in HEIF.keeps if key in picture.info}
    buffer = io.BytesIO()
    file.save(buffer, quality=quality, **options)
    return buffer.getvalue()
