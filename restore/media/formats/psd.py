"""PSD of Photoshop: its merged picture, by Pillow, and its metadata. Read only."""

from __future__ import annotations

import struct
from typing import Any, BinaryIO

from PIL import ImageFile

from restore.media import metadata, photoshop
from restore.media.formats import pillow_helpers
from restore.media.formats.format import Format, check_size
from restore.media.picture import DPI, EXIF, ICC, IPTC, XMP, Picture

_NAME = "PSD"
_RESOLUTION, _CAPTIONS, _EXIF, _XMP = 1005, 1028, 1058, 1060
"""Numbers of resources."""
_FIXED_POINT = 1 << 16


def recognises(head: bytes) -> bool:
    return head.startswith(b"8BPS\0\1")


def decode(stream: BinaryIO, max_pixels: int) -> Picture:
    with pillow_helpers.identified(stream, _NAME) as file:
        check_size(file.height, file.width, max_pixels)
        layers = getattr(file, "n_frames", 0)
        notes = ("its layers are not kept: the merged picture is read",) if layers else ()
        info, damage = _described(file)
        return pillow_helpers.decode(file, info, notes=(*notes, *damage))


def _described(file: ImageFile.ImageFile) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return entries of `Picture.info` from the resources, and notes."""
    parts = {number: content for number, _, content in getattr(file, "resources", ())}
    info: dict[str, Any] = {
        IPTC: parts.get(_CAPTIONS),
        XMP: metadata.upright_xmp(parts.get(_XMP, b"")),
    }
    if len(stated := parts.get(_RESOLUTION, b"")) >= 16:
        values = struct.unpack_from(">I4xI", stated)
        info[DPI] = metadata.resolution([value / _FIXED_POINT for value in values])
    notes = photoshop.lost(parts)
    try:
        info[EXIF] = metadata.kept(parts[_EXIF]) if _EXIF in parts else None
    except metadata.ODDITIES:
        notes = (*notes, metadata.DAMAGED)
    return info, notes


PSD = Format(
    _NAME,
    (".psd",),
    recognises,
    decode,
    size=pillow_helpers.sizer(_NAME),
    keeps=(ICC, EXIF, XMP, DPI, IPTC),
)
