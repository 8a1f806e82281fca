"""The tags of a TIFF file as an EXIF block, with their values byte for byte."""

from __future__ import annotations

import io
import struct
from collections.abc import Container
from typing import BinaryIO

from restore.media.exif_block import POINTERS, PREFIX, byte_order, length_of

_ENTRY = 12
_LARGEST = 1 << 24
"""Bytes of a value. Larger ones are not metadata."""
_MOST_TAGS = 4096
_Tags = dict[int, "tuple[bytes, bytes | _Tags]"]
"""By tag: the entry, and its value or, for pointers, the tags of the directory below."""


def block_of(stream: BinaryIO, dropped: Container[int]) -> bytes:
    """Collect the tags of the first directory of a TIFF and those below it, without ``dropped``.

    Values that lie outside the file are left out. Returns an empty block if no tag is left. Raises
    `ValueError` if the file is not a TIFF or its first directory is damaged.
    """
    stream.seek(0)
    head = stream.read(8)
    order = byte_order(head)
    magic, at = struct.unpack(f"{order}HI", head[2:])
    if magic != 42:
        raise ValueError("is not a TIFF with offsets of 32 bits")
    tags = _tags(stream, at, order, dropped, seen=set())
    if not tags:
        return b""
    start = struct.pack(f"{order}2sHI", head[:2], 42, 8)
    return PREFIX + start + _written(tags, 8, order)


def _tags(stream: BinaryIO, at: int, order: str, dropped: Container[int], seen: set[int]) -> _Tags:
    seen.add(at)
    stream.seek(at)
    count = struct.unpack(f"{order}H", _exactly(stream, 2))[0]
    if count > _MOST_TAGS:
        raise ValueError(f"claims {count} tags")
    content = _exactly(stream, _ENTRY * count)
    found: _Tags = {}
    for place in range(0, len(content), _ENTRY):
        entry = content[place : place + _ENTRY]
        tag, value = struct.unpack(f"{order}H", entry[:2])[0], entry[8:]
        if tag in dropped:
            continue
        (offset,) = struct.unpack(f"{order}I", value)
        length = length_of(entry, order)
        try:
            if tag in POINTERS:
                if offset not in seen and (below := _tags(stream, offset, order, (), seen)):
                    found[tag] = entry, below
            elif 0 < length <= 4:
                found[tag] = entry, value
            elif 0 < length <= _LARGEST:
                stream.seek(offset)
                found[tag] = entry, _exactly(stream, length)
        except ValueError:  # only this value is damaged
            continue
    return found


def _exactly(stream: BinaryIO, length: int) -> bytes:
    content = stream.read(length)
    if len(content) < length:
        raise ValueError("ends inside a tag")
    return content


def _written(tags: _Tags, at: int, order: str) -> bytes:
    """Return a directory that begins at offset ``at``, followed by its values."""
    buffer = io.BytesIO()
    data_at = at + 2 + _ENTRY * len(tags) + 4
    entries = []
    for tag in sorted(tags):
        entry, value = tags[tag]
        if isinstance(value, bytes) and len(value) <= 4:
            entries.append(entry)
            continue
        place = data_at + buffer.tell()
        entries.append(entry[:8] + struct.pack(f"{order}I", place))
        content = value if isinstance(value, bytes) else _written(value, place, order)
        buffer.write(content + b"\0" * (len(content) % 2))
    count = struct.pack(f"{order}H", len(entries))
    return count + b"".join(entries) + bytes(4) + buffer.getvalue()
