"""Changes of a finished Matroska or WebM file that PyAV cannot ask of the muxer.

A title that is too long reserves space in a track's entry. The changed parts replace the excess of
the title, and all other bytes keep their offsets. Elements and their sizes: RFC 8794, 4 and 5; RFC
9559, 5.1.4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

Parts = list[tuple[int, bytes]]
"""Kind and content of each element of a track's entry."""

_SEGMENT, _TRACKS, _ENTRY, _CLUSTER = 0x18538067, 0x1654AE6B, 0xAE, 0x1F43B675
_NAME, _VOID = 0x536E, 0xEC
_LARGEST_HEADER = 1 << 24


def change(path: Path, room: str, edit: Callable[[Parts], Parts]) -> bool:
    """Edit the first track whose title ends with ``room``, which is removed. Returns whether there
    is one, and enough room."""
    with open(path, "r+b") as file:
        head = file.read(_LARGEST_HEADER)
        for start, end in _entries(head):
            changed = _changed(head[start:end], room.encode(), edit)
            if changed is not None:
                file.seek(start)
                file.write(changed)
                return True
    return False


def element(kind: int, content: bytes) -> bytes:
    """Build an element with its size in as few bytes as possible."""
    name = kind.to_bytes((kind.bit_length() + 7) // 8, "big")
    length = next(n for n in range(1, 9) if len(content) < (1 << 7 * n) - 1)
    return name + (len(content) | 1 << 7 * length).to_bytes(length, "big") + content


def first_track(head: bytes) -> Parts:
    """Return the parts of the first track in the header of a file; none if there is no track."""
    for start, end in _entries(head):
        return parts_of(head[start:end])
    return []


def parts_of(content: bytes) -> Parts:
    """Split the content of an element into its parts."""
    return [(kind, content[start:end]) for kind, start, end in _elements(content, 0, len(content))]


def _entries(head: bytes) -> Iterator[tuple[int, int]]:
    """Yield start and end of the content of each track entry."""
    for kind, start, end in _elements(head, 0, len(head)):
        if kind != _SEGMENT:
            continue
        for part, first, last in _elements(head, start, min(end, len(head))):
            if part == _CLUSTER:
                return
            if part == _TRACKS:
                for entry, begin, finish in _elements(head, first, last):
                    if entry == _ENTRY:
                        yield begin, finish


def _elements(data: bytes, place: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield kind, start and end of the content of each element."""
    while place < end:
        length = 9 - data[place].bit_length()
        kind = int.from_bytes(data[place : place + length], "big")
        place += length
        length = 9 - data[place].bit_length()
        size = int.from_bytes(data[place : place + length], "big") & ((1 << 7 * length) - 1)
        place += length
        yield kind, place, place + size
        place += size


def _changed(entry: bytes, room: bytes, edit: Callable[[Parts], Parts]) -> bytes | None:
    """Return a changed track entry of the same length; None if it has no room."""
    parts = parts_of(entry)
    title = next((part for kind, part in parts if kind == _NAME), b"")
    if not title.endswith(room):
        return None
    named = [(k, part.removesuffix(room) if k == _NAME else part) for k, part in parts]
    kept = edit([(kind, part) for kind, part in named if part or kind != _NAME])
    content = b"".join(element(kind, part) for kind, part in kept)
    free = len(entry) - len(content)
    return content + _void(free) if free >= 9 else None


def _void(length: int) -> bytes:
    """Build a void element of ``length`` bytes, at least 9; its size takes eight."""
    rest = length - 9
    return bytes([_VOID]) + (rest | 1 << 56).to_bytes(8, "big") + bytes(rest)
