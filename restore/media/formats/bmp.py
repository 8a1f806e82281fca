"""BMP: 8 bits, by Pillow."""

from __future__ import annotations

from restore.media.formats import pillow_helpers
from restore.media.formats.format import NO_ALPHA, Format
from restore.media.picture import DPI, Picture

_NAME = "BMP"
_KEEPS = (DPI,)


def recognises(head: bytes) -> bool:
    return head.startswith(b"BM")


def encode(picture: Picture) -> bytes:
    return pillow_helpers.encode(picture, _NAME, _KEEPS)


BMP = Format(
    _NAME,
    (".bmp",),
    recognises,
    pillow_helpers.decoder(_NAME),
    encode,
    size=pillow_helpers.sizer(_NAME),
    alpha=NO_ALPHA,
    keeps=_KEEPS,
)
