"""Captions, keywords and credits as agencies write them (IPTC-IIM), kept byte for byte.

JPEG holds them among Photoshop's resources, TIFF in a tag of their own.
"""

from __future__ import annotations

import struct
from typing import Any

from restore.media.formats import JPEG, TIFF

IPTC = "iptc"
"""Their place in `Picture.info`."""
HOLDERS = (JPEG, TIFF)
TIFF_TAG = 33723
_RESOURCE = 0x0404
_LONGEST = 65400
"""Bytes that fit into the one segment of a JPEG there is for them."""


def of_resources(resources: Any) -> bytes | None:
    """Of what Pillow makes of Photoshop's resources in a JPEG."""
    found = resources.get(_RESOURCE) if isinstance(resources, dict) else None
    return found if isinstance(found, bytes) else None


def of_tag(value: Any) -> bytes | None:
    """Of a TIFF's tag, which some write as bytes and some as numbers of four bytes."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, tuple) and all(isinstance(v, int) and 0 <= v < 2**32 for v in value):
        return struct.pack(f">{len(value)}I", *value)
    return None


def fits_jpeg(content: bytes) -> bool:
    return len(content) <= _LONGEST


def jpeg_segment(content: bytes) -> bytes:
    """Of a JPEG: the marker APP13 and everything behind it."""
    resource = struct.pack(">4sHHI", b"8BIM", _RESOURCE, 0, len(content))
    body = b"Photoshop 3.0\0" + resource + content + b"\0" * (len(content) % 2)
    return struct.pack(">2sH", b"\xff\xed", 2 + len(body)) + body
