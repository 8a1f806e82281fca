"""The pixel aspect ratio in Matroska and WebM, which PyAV cannot pass to the muxer.

A title that is too long reserves space for it. Once the file is complete, the aspect replaces the
excess of the title and all other bytes keep their offsets. Elements and their sizes: RFC 8794, 4
and 5; RFC 9559, 5.1.4.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

ROOM = "\N{WORD JOINER}" * 16
"""Appended to the title of the video stream: 48 bytes."""

_SEGMENT, _TRACKS, _ENTRY, _CLUSTER = 0x18538067, 0x1654AE6B, 0xAE, 0x1F43B675
_NAME, _VIDEO, _VOID = 0x536E, 0xE0, 0xEC
_DISPLAY_WIDTH, _DISPLAY_HEIGHT, _DISPLAY_UNIT = 0x54B0, 0x54BA, 0x54B2
_PIXELS, _PROPORTION = 0, 3
_LARGEST_HEADER = 1 << 24


def put(path: Path, size: tuple[int, int], pixel_aspect: Fraction) -> bool:
    """Store that frames of ``size`` (height, width) have pixels ``pixel_aspect`` times as wide as
    high, in a file whose video stream has `ROOM` in its title. Returns whether it was found."""
    with open(path, "r+b") as file:
        head = file.read(_LARGEST_HEADER)
        for start, end in _entries(head):
            changed = _changed(head[start:end], size, pixel_aspect)
            if changed is not None:
                file.seek(start)
                file.write(changed)
                return True
    return False


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


def _changed(entry: bytes, size: tuple[int, int], pixel_aspect: Fraction) -> bytes | None:
    """Return a track entry of the same length with the aspect; None if it has no `ROOM`."""
    room, found, content = ROOM.encode(), False, b""
    for kind, start, end in _elements(entry, 0, len(entry)):
        part = entry[start:end]
        if kind == _NAME and part.endswith(room):
            found, part = True, part.removesuffix(room)
        if kind == _VIDEO:
            part += _shown(size, pixel_aspect)
        if part or kind != _NAME:
            content += _element(kind, part)
    return content + _void(len(entry) - len(content)) if found else None


def _shown(size: tuple[int, int], pixel_aspect: Fraction) -> bytes:
    """Return the display size: in pixels if both are integers, else as a ratio."""
    height, width = size
    wide = width * pixel_aspect
    unit = _PIXELS if wide.denominator == 1 else _PROPORTION
    shape = (int(wide), height) if unit == _PIXELS else (wide / height).as_integer_ratio()
    values = ((_DISPLAY_WIDTH, shape[0]), (_DISPLAY_HEIGHT, shape[1]), (_DISPLAY_UNIT, unit))
    return b"".join(_element(kind, value.to_bytes(4, "big")) for kind, value in values)


def _element(kind: int, content: bytes) -> bytes:
    """Build an element with its size in as few bytes as possible."""
    name = kind.to_bytes((kind.bit_length() + 7) // 8, "big")
    length = next(n for n in range(1, 9) if len(content) < (1 << 7 * n) - 1)
    return name + (len(content) | 1 << 7 * length).to_bytes(length, "big") + content


def _void(length: int) -> bytes:
    """Build a void element of ``length`` bytes, at least 9; its size takes eight."""
    rest = length - 9
    return bytes([_VOID]) + (rest | 1 << 56).to_bytes(8, "big") + bytes(rest)
