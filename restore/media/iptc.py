"""Captions, keywords and credits in the IPTC-IIM format of news agencies, kept byte for byte.

JPEG stores them in Photoshop's image resources, TIFF in a tag.
"""

from __future__ import annotations

import struct
from typing import Any

TIFF_TAG = 33723
_RESOURCE = 0x0404
_LONGEST = 65400
"""Bytes that fit into the one JPEG segment available."""


def of_resources(resources: Any) -> bytes | None:
    """Extract IPTC from Photoshop's resources in a JPEG, as Pillow parses them."""
    found = resources.get(_RESOURCE) if isinstance(resources, dict) else None
    return found if isinstance(found, bytes) else None


def of_tag(value: Any) -> bytes | None:
    """Extract IPTC from the value of the TIFF tag, which some programs write as bytes and some as
    32-bit integers."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, tuple) and all(isinstance(v, int) and 0 <= v < 2**32 for v in value):
        return struct.pack(f">{len(value)}I", *value)
    return None


def fits_jpeg(content: bytes) -> bool:
    return len(content) <= _LONGEST


def jpeg_segment(content: bytes) -> bytes:
    """Build the APP13 segment of a JPEG, marker included."""
    resource = struct.pack(">4sHHI", b"8BIM", _RESOURCE, 0, len(content))
    body = b"Photoshop 3.0\0" + resource + content + b"\0" * (len(content) % 2)
    return struct.pack(">2sH", b"\xff\xed", 2 + len(body)) + body
