"""JPEG XL: 8 to 16 bits and floats, lossless or lossy, by imagecodecs (libjxl).

imagecodecs reads and writes pixels. The modules of this folder read and write colour, depth and
metadata.
"""

from __future__ import annotations

from restore.media.formats.format import Format
from restore.media.formats.jpegxl.code_stream_header import SIGNATURE
from restore.media.formats.jpegxl.container import MAGIC
from restore.media.formats.jpegxl.decoding import decode, size
from restore.media.formats.jpegxl.encoding import encode, lost, private
from restore.media.formats.jpegxl.properties import NAME
from restore.media.picture import CICP, EXIF, ICC, LINEAR, XMP


def recognises(head: bytes) -> bool:
    return head.startswith((SIGNATURE, MAGIC))


JPEGXL = Format(
    NAME,
    (".jxl",),
    recognises,
    decode,
    encode,
    size=size,
    depths=("8", "16", "32f"),
    keeps=(ICC, EXIF, XMP, CICP, LINEAR),
    lossy=True,
    pixels="lossy, or exact as the input",
    lost=lost,
    private=private,
)
