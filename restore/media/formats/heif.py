"""HEIC and HEIF, by pillow-heif (an extra)."""

from __future__ import annotations

import io
from typing import Any, BinaryIO

import numpy as np

from restore.media import assembly, metadata
from restore.media.colour import rgb
from restore.media.formats.extras import library_of
from restore.media.formats.format import Format, check_size
from restore.media.picture import EXIF, ICC, XMP, Picture

_NAME, _EXTRA, _LIBRARY = "HEIF", "heic", "pillow_heif"
_KEEPS = (ICC, EXIF, XMP)
_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"))
_QUALITY = 90
_LOSSLESS = -1


def recognises(head: bytes) -> bool:
    """Whether a file is HEIF but not AVIF, which has the same container."""
    return head[4:8] == b"ftyp" and head[8:12] in _BRANDS and b"avif" not in head


def decode(stream: BinaryIO, max_pixels: int) -> Picture:
    """Read the first image, upright. 10 and 12 bits are scaled to 16."""
    stream.seek(0)
    library = library_of(_NAME, _EXTRA, _LIBRARY)
    file = library.open_heif(stream, convert_hdr_to_8bit=False)
    check_size(file.size[1], file.size[0], max_pixels)
    info: dict[str, Any] = {key: file.info.get(key) for key in (ICC, XMP)}
    info[XMP] = metadata.upright_xmp(info[XMP] or b"")
    notes: tuple[str, ...] = ()
    try:
        block = file.info.get(EXIF)
        info[EXIF] = metadata.kept(block) if block else None
    except metadata.ODDITIES:
        notes = (metadata.DAMAGED,)
    return assembly.picture(np.asarray(file), info, notes)


def encode(picture: Picture) -> bytes:
    library = library_of(_NAME, _EXTRA, _LIBRARY)
    pixels = rgb(picture.pixels)
    data = pixels if picture.alpha is None else np.dstack((pixels, picture.alpha))
    size = (data.shape[1], data.shape[0])
    file = library.from_bytes("RGB" if data.shape[2] == 3 else "RGBA", size, data.tobytes())
    # Only lossless encoding keeps alpha exactly.
    usual = _QUALITY if picture.alpha is None else _LOSSLESS
    quality = picture.info.get("quality", usual)
    options = {key: picture.info[key] for key in _KEEPS if key in picture.info}
    buffer = io.BytesIO()
    file.save(buffer, quality=quality, **options)
    return buffer.getvalue()


HEIF = Format(
    _NAME,
    (".heic", ".heif"),
    recognises,
    decode,
    encode,
    aliases=(".hif",),
    grey=False,
    keeps=_KEEPS,
    lossy=True,
    extra=_EXTRA,
    library=_LIBRARY,
)
