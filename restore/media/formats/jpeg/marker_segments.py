"""Segments of a JPEG file (ITU-T T.81, annex B)."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterable, Iterator
from typing import BinaryIO, NamedTuple

APP0, APP1, APP2, APP13, APP14, COMMENT = 0xE0, 0xE1, 0xE2, 0xED, 0xEE, 0xFE
APPLICATION = range(0xE0, 0xF0)
"""Markers of application data."""
_START_OF_SCAN, _END = 0xDA, 0xD9
_WITHOUT_LENGTH = frozenset((0x01, *range(0xD0, 0xD9)))
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""A marker that ends the coded data of a scan; stuffed bytes and restarts do not."""


class JpegSegment(NamedTuple):
    """``at``: offset of the marker. ``body``: content without marker and length."""

    marker: int
    body: bytes
    at: int

    @property
    def end(self) -> int:
        return self.at + 4 + len(self.body)


def segments(stream: BinaryIO) -> Iterator[JpegSegment]:
    """Yield the segments before the first scan. Fill bytes between segments are skipped."""
    stream.seek(2)
    while stream.read(1) == b"\xff":
        while (code := stream.read(1)) == b"\xff":
            pass
        marker = code[0] if code else _START_OF_SCAN
        if marker == _START_OF_SCAN:
            return
        if marker in _WITHOUT_LENGTH:
            continue
        at = stream.tell() - 2
        size = stream.read(2)
        if len(size) < 2:
            return
        yield JpegSegment(marker, stream.read(struct.unpack(">H", size)[0] - 2), at)


def end_of_image(content: bytes) -> int:
    """Return the offset behind the end marker of the first image; the length of the content if
    there is none."""
    at = 2
    while at + 4 <= len(content):
        if content[at] != 0xFF:
            return len(content)
        marker = content[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        if marker == _END:
            return at + 2
        at += 2
        if marker in _WITHOUT_LENGTH:
            continue
        at += int(struct.unpack_from(">H", content, at)[0])
        if marker == _START_OF_SCAN:
            found = _NEXT_MARKER.search(content, at)
            if found is None:
                return len(content)
            at = found.start()
    return at + 2 if content[at : at + 2] == b"\xff\xd9" else len(content)


def segment(marker: int, body: bytes) -> bytes:
    """Build a segment. Raises `struct.error` if the body is longer than 65,533 bytes."""
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def place_for_more(content: bytes) -> int:
    """Return the offset behind the last application segment and comment, where more may follow."""
    place = 2
    for found in segments(io.BytesIO(content)):
        if found.marker not in APPLICATION and found.marker != COMMENT:
            break
        place = found.end
    return place


def with_segments(content: bytes, added: Iterable[bytes]) -> bytes:
    """Insert whole segments behind the application segments of a JPEG."""
    place = place_for_more(content)
    return b"".join((content[:place], *added, content[place:]))
