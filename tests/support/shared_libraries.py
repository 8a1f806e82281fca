"""Requirements of the shared libraries of a process, read from their files."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from mmap import ACCESS_READ, mmap
from pathlib import Path

_LOAD, _DYNAMIC = 1, 2
_NEEDED, _STRINGS = 1, 5


def mapped(maps: str) -> set[Path]:
    """The shared libraries in the text of ``/proc/PID/maps``."""
    places = (line.split(maxsplit=5)[5] for line in maps.splitlines() if line.count("/"))
    return {Path(place) for place in places if ".so" in Path(place).name}


def needed(library: Path) -> set[str]:
    """The names of the libraries that an ELF file of 64 bits, little endian, is linked with."""
    with library.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        return _needed(data, library)


def _needed(data: mmap, library: Path) -> set[str]:
    assert data[:6] == b"\x7fELF\x02\x01", library
    (headers,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    segments = [
        struct.unpack_from("<IIQQQQ", data, headers + number * size) for number in range(count)
    ]
    loads = [(address, offset, n) for kind, _, offset, address, _, n in segments if kind == _LOAD]
    entries = [
        entry
        for kind, _, offset, _, _, length in segments
        if kind == _DYNAMIC
        for entry in _entries(data[offset : offset + length])
    ]
    names = [value for tag, value in entries if tag == _NEEDED]
    if not names:
        return set()
    (strings,) = (value for tag, value in entries if tag == _STRINGS)
    (place,) = (strings - a + offset for a, offset, n in loads if a <= strings < a + n)
    starts = [place + name for name in names]
    return {data[start : data.find(b"\0", start)].decode() for start in starts}


def _entries(dynamic: bytes) -> Iterator[tuple[int, int]]:
    for tag, value in struct.iter_unpack("<qQ", dynamic):
        if tag == 0:
            return
        yield tag, value
