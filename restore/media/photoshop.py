"""Photoshop's image resources: captions (IPTC-IIM), which are kept byte for byte, and others.

JPEG and PSD store captions among the resources, TIFF in a tag of its own.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Any

TIFF_TAG, RESOURCES_TAG, LAYERS_TAG = 33723, 34377, 37724
"""Tags of TIFF: captions, resources, and layers."""
_RESOURCE = 0x0404
_PATHS = range(2000, 2999)
_NAMED = {1032: "guides", 1050: "slices", 1065: "layer comps"} | dict.fromkeys(_PATHS, "paths")
"""Resources that people make. Others repeat metadata or hold settings of Photoshop."""
_HEAD = struct.Struct(">4sHB")
_LONGEST = 65400
"""Bytes that fit into the one JPEG segment available."""


def of_resources(resources: Any) -> bytes | None:
    """Extract IPTC from Photoshop's resources in a JPEG, as Pillow parses them."""
    found = resources.get(_RESOURCE) if isinstance(resources, dict) else None
    return found if isinstance(found, bytes) else None


def listed(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield number and content of each resource of a block (Adobe Photoshop file formats)."""
    at = 0
    while at + 12 <= len(content):
        kind, number, name = _HEAD.unpack_from(content, at)
        at += 6 + (1 + name + 1) // 2 * 2
        if kind != b"8BIM" or at + 4 > len(content):
            return
        (size,) = struct.unpack_from(">I", content, at)
        yield number, content[at + 4 : at + 4 + size]
        at += 4 + size + size % 2


def lost(numbers: Iterable[int]) -> tuple[str, ...]:
    """Return a note on the resources that are not kept, if people have made any."""
    names = ", ".join(dict.fromkeys(_NAMED[n] for n in sorted(numbers) if n in _NAMED))
    return (f"its {names} of Photoshop are not kept",) if names else ()


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
