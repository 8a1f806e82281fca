"""Boxes of the ISO base media file format (ISO/IEC 14496-12), the container of several formats."""

from __future__ import annotations

import struct
from collections.abc import Iterator


def box(name: bytes, *parts: bytes) -> bytes:
    """Return a box of a four-letter name."""
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), name) + body


def boxes(
    content: bytes, start: int = 0, end: int | None = None
) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, start and end of the content of each box. The last one may be truncated."""
    end = len(content) if end is None else end
    while start + 8 <= end:
        size, name = struct.unpack_from(">I4s", content, start)
        head = 8
        if size == 1 and start + 16 <= end:
            (size,) = struct.unpack_from(">Q", content, start + 8)
            head = 16
        stop = min(start + size, end) if size else end
        if stop < start + head:
            return
        yield name, start + head, stop
        start = stop


def contents(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and content of each box."""
    for name, start, end in boxes(content):
        yield name, content[start:end]
