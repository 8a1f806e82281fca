"""PNG: 8 bits by Pillow, 16 bits by imagecodecs; by rows; animated."""

from __future__ import annotations

from restore.media.formats.format import Format
from restore.media.formats.png.by_rows import PngSink, by_rows
from restore.media.formats.png.chunks import SIGNATURE
from restore.media.formats.png.decoding import NAME, decode, size
from restore.media.formats.png.descriptive_chunks import CHUNKS, private
from restore.media.formats.png.encoding import encode
from restore.media.formats.png.png_animation import PngAnimation
from restore.media.picture import CICP, DPI, EXIF, ICC, LIGHT, LINEAR, MASTERING, XMP


def recognises(head: bytes) -> bool:
    return head.startswith(SIGNATURE)


PNG = Format(
    NAME,
    (".png",),
    recognises,
    decode,
    encode,
    size=size,
    aliases=(".apng",),
    depths=("8", "16"),
    keeps=(ICC, EXIF, XMP, DPI, LINEAR, CHUNKS, CICP, MASTERING, LIGHT),
    private=private,
    by_rows=by_rows,
    sink=PngSink,
    animation=PngAnimation(),
)
