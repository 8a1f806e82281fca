"""Lines of manifests, found by their output in memory that does not grow with them."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from restore.jobs.manifest_line import ManifestLine, parse_line


def lines_in(part: Path) -> Iterator[tuple[int, ManifestLine]]:
    """Yield the byte offset and the content of each valid line of a file."""
    offset = 0
    try:
        with open(part, "rb") as file:
            for text in file:
                line = parse_line(text)
                if line is not None:
                    yield offset, line
                offset += len(text)
    except FileNotFoundError:
        return


def tail(part: Path, count: int) -> list[ManifestLine]:
    """Return the last lines of a file, without reading those before."""
    size, step = part.stat().st_size, 1 << 20
    with open(part, "rb") as file:
        kept: deque[bytes] = deque()
        start = size
        while start > 0 and len(kept) <= count:  # one more: the first may be half a line
            start = max(0, start - step)
            file.seek(start)
            kept = deque(file.read(size - start).splitlines())
            step *= 2
    whole = list(kept)[-count:]
    return [line for line in map(parse_line, whole) if line is not None]


class LineIndex:
    """Where the lines of each output stand: about 50 bytes a line, in SQLite's temporary file."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._parts: list[Path] = []
        self._files: dict[int, BinaryIO] = {}
        self._database = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._database.execute("CREATE TABLE lines (output INTEGER, part INTEGER, offset INTEGER)")
        self._database.execute("CREATE INDEX by_output ON lines (output)")

    def read(self, part: Path) -> None:
        """Add all lines of a file."""
        number = self._number(part)
        rows = ((_hash(line.output), number, offset) for offset, line in lines_in(part))
        with self._lock:
            self._database.execute("BEGIN")
            self._database.executemany("INSERT INTO lines VALUES (?, ?, ?)", rows)
            self._database.execute("COMMIT")

    def add(self, output: str, part: Path, offset: int) -> None:
        """Add one line."""
        row = _hash(output), self._number(part), offset
        with self._lock:
            self._database.execute("INSERT INTO lines VALUES (?, ?, ?)", row)

    def find(self, output: str) -> list[ManifestLine]:
        """Return the lines of an output, in the order of each file."""
        with self._lock:
            rows = self._database.execute(
                "SELECT part, offset FROM lines WHERE output = ? ORDER BY rowid", (_hash(output),)
            ).fetchall()
            lines = [parse_line(self._text(number, offset)) for number, offset in rows]
        # Others may have the same hash.
        return [line for line in lines if line is not None and line.output == output]

    def _text(self, number: int, offset: int) -> bytes:
        if number not in self._files:
            self._files[number] = open(self._parts[number], "rb")  # noqa: SIM115 - see close
        file = self._files[number]
        file.seek(offset)
        return file.readline()

    def close(self) -> None:
        for file in self._files.values():
            file.close()
        self._database.close()

    def _number(self, part: Path) -> int:
        if part not in self._parts:
            self._parts.append(part)
        return self._parts.index(part)


def _hash(output: str) -> int:
    digest = hashlib.blake2b(os.fsencode(output), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
