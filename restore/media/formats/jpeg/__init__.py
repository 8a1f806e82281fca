"""JPEG: 8 bits by Pillow, 12 bits and lossless by imagecodecs; with gain maps and other parts."""

from __future__ import annotations

from restore.media.formats.format import NO_ALPHA, Format
from restore.media.formats.jpeg.decoding import NAME, decode, size
from restore.media.formats.jpeg.encoding import encode, lost, private
from restore.media.picture import COMMENT, DPI, EXIF, ICC, IPTC, XMP


def recognises(head: bytes) -> bool:
    return head.startswith(b"\xff\xd8\xff")


JPEG = Format(
    NAME,
    (".jpg", ".jpeg"),
    recognises,
    decode,
    encode,
    size=size,
    aliases=(".jpe", ".jfif", ".mpo"),
    alpha=NO_ALPHA,
    keeps=(ICC, EXIF, XMP, DPI, IPTC, COMMENT),
    longest=65500,
    lossy=True,
    lost=lost,
    private=private,
)
