"""EXIF kept byte for byte: only entries that are false for the new pixels change, in place.

Maker notes hold absolute offsets and texts may have any encoding, so a block that is parsed and
written again would be damaged. Structure of the block: Exif 2.32, 4.5 and 4.6.
"""

from __future__ import annotations

import struct
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

PREFIX = b"Exif\0\0"
_ENTRY = 12
_EXIF_IFD = 34665
POINTERS = frozenset((_EXIF_IFD, 34853, 40965))
"""Tags of the directories below the first: Exif, GPS, interoperability."""
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 129: 1}
"""Bytes of a value of each type. 129 is UTF-8 (Exif 3.0)."""
_ORIENTATION = 274
_WIDTH, _HEIGHT = 40962, 40963
_THUMBNAIL, _LENGTH = 513, 514
_SIDEWAYS = frozenset((5, 6, 7, 8))


@dataclass(frozen=True)
class _Directory:
    """An image file directory: its offset in the block, entries by tag, and the next offset."""

    at: int
    entries: tuple[tuple[int, bytes], ...]
    following: int

    @property
    def end(self) -> int:
        return self.at + 2 + _ENTRY * len(self.entries) + 4


def without(
    block: bytes, dropped: Container[int], meaningless: Container[int], turned: bool = True
) -> bytes | None:
    """Return an EXIF block without thumbnail, for an upright image.

    The entries ``dropped`` are removed from the first directory, as is the orientation. Width and
    height of the pixels are exchanged if the orientation was sideways.

    Args:
        block: with or without the prefix ``Exif``.
        meaningless: entries that are not worth a block: without any other, None is returned.
        turned: False keeps orientation, width and height, for pixels as they were stored.

    Raises:
        ValueError: if the first directory is damaged.
    """
    data = bytearray(block.removeprefix(PREFIX))
    order = byte_order(data)
    first = _first(data, order)
    kept = [(tag, entry) for tag, entry in first.entries if tag not in dropped]
    if turned:
        kept = [(tag, entry) for tag, entry in kept if tag != _ORIENTATION]
    if all(tag in meaningless for tag, _ in kept):
        return None
    if turned and _number(dict(first.entries).get(_ORIENTATION), order) in _SIDEWAYS:
        _exchange_dimensions(data, first, order)
    _rewrite(data, first, [entry for _, entry in kept], order)
    _erase_thumbnail(data, first, order)
    return PREFIX + bytes(data)


def embedded(block: bytes, base: int) -> tuple[bytes, dict[int, bytes]]:
    """Move a block to offset ``base`` of a TIFF file of the same byte order.

    Returns the block with its offsets moved, and the entries of its first directory by tag. Entries
    whose values lie outside the block are dropped. Raises `ValueError` if the first directory is
    damaged.
    """
    data = bytearray(block.removeprefix(PREFIX))
    order = byte_order(data)
    first = _first(data, order)
    moved = dict(_moved(data, first, base, order, seen={first.at}))
    return bytes(data), moved


def _moved(
    data: bytearray, found: _Directory, base: int, order: str, seen: set[int]
) -> Iterator[tuple[int, bytes]]:
    """Yield the entries of a directory with their offsets moved; move those below it in place."""
    for tag, entry in found.entries:
        at = struct.unpack_from(f"{order}I", entry, 8)[0]
        if tag in POINTERS:
            try:
                below = _directory(data, at, order)
            except ValueError:
                continue
            if at in seen:
                continue
            seen.add(at)
            inside = [part for _, part in _moved(data, below, base, order, seen)]
            _rewrite(data, below, inside, order)
        else:
            length = length_of(entry, order)
            if length <= 4:
                if length > 0:
                    yield tag, entry
                continue
            if at + length > len(data):
                continue
        yield tag, entry[:8] + struct.pack(f"{order}I", base + at)


def length_of(entry: bytes, order: str) -> int:
    """Return the bytes of an entry's values; 0 if their type is unknown."""
    kind, count = struct.unpack_from(f"{order}HI", entry, 2)
    return int(_SIZES.get(kind, 0) * count)


def _rewrite(data: bytearray, found: _Directory, entries: Sequence[bytes], order: str) -> None:
    """Store fewer entries in the place of a directory, and no directory after it."""
    written = struct.pack(f"{order}H", len(entries)) + b"".join(entries)
    data[found.at : found.end] = written.ljust(found.end - found.at, b"\0")


def byte_order(block: bytes | bytearray) -> str:
    """Return ``<`` or ``>``, the byte order of a block for `struct`. Raises `ValueError`."""
    start = bytes(block[:16]).removeprefix(PREFIX)
    order = {b"II": "<", b"MM": ">"}.get(start[:2])
    if order is None or len(start) < 8:
        raise ValueError("EXIF begins with no byte order")
    return order


def _first(data: bytearray, order: str) -> _Directory:
    return _directory(data, struct.unpack_from(f"{order}I", data, 4)[0], order)


def _directory(data: bytearray, at: int, order: str) -> _Directory:
    """Read a directory. Raises `ValueError` if it exceeds the block."""
    if not 8 <= at <= len(data) - 2:
        raise ValueError("EXIF has a directory outside of it")
    (count,) = struct.unpack_from(f"{order}H", data, at)
    end = at + 2 + _ENTRY * count
    if end > len(data):
        raise ValueError("EXIF has a directory that ends outside of it")
    entries = [bytes(data[place : place + _ENTRY]) for place in range(at + 2, end, _ENTRY)]
    tags = [struct.unpack_from(f"{order}H", entry)[0] for entry in entries]
    # Some writers leave out the offset of the next directory at the end of the block.
    following = bytes(data[end : end + 4]).ljust(4, b"\0")
    if len(data) < end + 4:
        data.extend(bytes(end + 4 - len(data)))
    (next_at,) = struct.unpack(f"{order}I", following)
    return _Directory(at, tuple(zip(tags, entries, strict=True)), next_at)


def _number(entry: bytes | None, order: str) -> int:
    """Return the value of an entry with one SHORT or LONG; 0 for any other."""
    if entry is None:
        return 0
    kind, count = struct.unpack_from(f"{order}HI", entry, 2)
    if count != 1 or kind not in (3, 4):
        return 0
    return int(struct.unpack_from(f"{order}H" if kind == 3 else f"{order}I", entry, 8)[0])


def _exchange_dimensions(data: bytearray, first: _Directory, order: str) -> None:
    at = _number(dict(first.entries).get(_EXIF_IFD), order)
    try:
        found = _directory(data, at, order)
    except ValueError:  # damaged further down, where nothing is changed
        return
    places = {tag: found.at + 2 + _ENTRY * i for i, (tag, _) in enumerate(found.entries)}
    if _WIDTH in places and _HEIGHT in places:
        width, height = (slice(places[tag] + 2, places[tag] + _ENTRY) for tag in (_WIDTH, _HEIGHT))
        data[width], data[height] = data[height], data[width]


def _erase_thumbnail(data: bytearray, first: _Directory, order: str) -> None:
    """Erase the second directory and the thumbnail it points to, at the end of the block by
    truncation."""
    if not first.following:
        return
    try:
        second = _directory(data, first.following, order)
    except ValueError:
        return
    entries = dict(second.entries)
    at, length = (_number(entries.get(tag), order) for tag in (_THUMBNAIL, _LENGTH))
    if first.end <= at < at + length <= len(data):
        data[at : at + length] = bytes(length)
        if at + length == len(data):
            del data[at:]
    if first.end <= second.at and second.end <= len(data):
        data[second.at : second.end] = bytes(second.end - second.at)
        if second.end == len(data):
            del data[second.at :]
