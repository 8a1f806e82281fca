"""TIFF: 8, 16 and 32 bits, as scanners, cameras and scientific programs write it; by rows."""

from __future__ import annotations

from restore.media.formats.format import Format
from restore.media.formats.tiff.by_rows import TiffSink, by_rows
from restore.media.formats.tiff.decoding import MAGIC, MAGIC_OF_PILLOW, NAME, decode, size
from restore.media.formats.tiff.encoding import encode
from restore.media.picture import DPI, EXIF, ICC, IPTC, XMP


def recognises(head: bytes) -> bool:
    return head.startswith(MAGIC + MAGIC_OF_PILLOW)


TIFF = Format(
    NAME,
    (".tif", ".tiff"),
    recognises,
    decode,
    encode,
    size=size,
    depths=("8", "16", "32f"),
    keeps=(ICC, EXIF, XMP, DPI, IPTC),
    by_rows=by_rows,
    sink=TiffSink,
)
