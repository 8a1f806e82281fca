"""The index of a JPEG file with several pictures (CIPA DC-007, Multi-Picture Format)."""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from typing import NamedTuple

PREFIX = b"MPF\0"
_COUNT, _ENTRIES, _IDENTIFIERS = 0xB001, 0xB002, 0xB003
_ENTRY = 16
_IDENTIFIER = 33
"""Bytes of an entry of the index, and of a picture's identifier."""
_KIND = 0xFFFFFF
_PREVIEWS = frozenset((0x010001, 0x010002))


class MpEntry(NamedTuple):
    """``offset``: from the byte order of the index in the file; 0 for the first picture."""

    attribute: int
    size: int
    offset: int

    @property
    def is_preview(self) -> bool:
        """Whether this is a small copy of the first picture."""
        return self.attribute & _KIND in _PREVIEWS


class _Fields(NamedTuple):
    """Byte order, offset of the entries, and offset of each field by tag."""

    order: str
    at: int
    places: dict[int, int]


def entries(body: bytes) -> list[MpEntry]:
    """Read the index from the body of its segment. Raises `ValueError` if it is damaged."""
    fields = _fields(body)
    count = _length(body, fields) // _ENTRY
    return [
        MpEntry(*struct.unpack_from(f"{fields.order}3I", body, fields.at + _ENTRY * i))
        for i in range(count)
    ]


def rewritten(body: bytes, kept: Collection[int], new: Collection[MpEntry]) -> bytes:
    """Return the body with only the entries numbered ``kept``, in the places and sizes ``new``."""
    fields = _fields(body)
    data = bytearray(body)
    numbers = {old + 1: i + 1 for i, old in enumerate(kept)}
    packed = bytearray()
    for old, entry in zip(kept, new, strict=True):
        place = fields.at + _ENTRY * old + 12
        dependents = struct.unpack_from(f"{fields.order}2H", body, place)
        moved = (numbers.get(number, 0) for number in dependents)
        packed += struct.pack(f"{fields.order}3I2H", *entry, *moved)
    data[fields.at : fields.at + len(packed)] = packed
    sizes = {_ENTRIES: len(packed), _IDENTIFIERS: _IDENTIFIER * len(kept)}
    for tag, size in sizes.items():
        if tag in fields.places:
            struct.pack_into(f"{fields.order}I", data, fields.places[tag] + 4, size)
    if _COUNT in fields.places:
        struct.pack_into(f"{fields.order}I", data, fields.places[_COUNT] + 8, len(kept))
    return bytes(data)


def _fields(body: bytes) -> _Fields:
    start = len(PREFIX)
    order = {b"II": "<", b"MM": ">"}.get(body[start : start + 2])
    if not body.startswith(PREFIX) or order is None:
        raise ValueError("MPF begins with no byte order")
    try:
        places = dict(_places(body, order))
        if _ENTRIES not in places:
            raise ValueError("MPF has no entries")
        (at,) = struct.unpack_from(f"{order}I", body, places[_ENTRIES] + 8)
    except struct.error as error:
        raise ValueError("MPF ends early") from error
    found = _Fields(order, start + at, places)
    if found.at + _length(body, found) > len(body):
        raise ValueError("MPF has entries outside of it")
    return found


def _places(body: bytes, order: str) -> Iterator[tuple[int, int]]:
    start = len(PREFIX)
    (at,) = struct.unpack_from(f"{order}I", body, start + 4)
    (count,) = struct.unpack_from(f"{order}H", body, start + at)
    for i in range(min(count, 64)):
        place = start + at + 2 + 12 * i
        yield struct.unpack_from(f"{order}H", body, place)[0], place


def _length(body: bytes, fields: _Fields) -> int:
    return int(struct.unpack_from(f"{fields.order}I", body, fields.places[_ENTRIES] + 4)[0])
