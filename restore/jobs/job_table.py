"""The jobs of a folder run, sorted and checked in memory that does not grow with them."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

from restore.errors import ImageError
from restore.jobs.shard import Shard

_TABLES = """
CREATE TABLE jobs (source BLOB PRIMARY KEY, place BLOB, input BLOB, result BLOB) WITHOUT ROWID;
CREATE TABLE passed_over (source BLOB PRIMARY KEY) WITHOUT ROWID;
"""
_INDICES = """
CREATE INDEX by_input ON jobs (input);
CREATE INDEX by_result ON jobs (result);
"""


@dataclass(frozen=True)
class Job:
    """One file and its output."""

    source: Path
    target: Path


@dataclass(frozen=True)
class Found:
    """A file that was found.

    ``place``: of its output, below the folder of results; empty if its name is neither that of a
    picture nor of a clip.
    ``input``, ``result``: equal for paths that are one file.
    """

    source: str
    place: str = ""
    input: str = ""
    result: str = ""


class Jobs(Protocol):
    """Jobs whose number is known."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Job]: ...


class JobTable:
    """Jobs in the order of their inputs, in SQLite's temporary file. Each input is there once."""

    def __init__(self, output: Path, found: Iterable[Found]):
        self._output = output
        self._database = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        weakref.finalize(self, self._database.close)
        self._database.executescript(_TABLES)
        self._database.execute("BEGIN")
        for file in found:
            if file.place:
                files = _digest(file.input), _digest(file.result)
                job = (_key(file.source), os.fsencode(file.place), *files)
                self._database.execute("INSERT OR IGNORE INTO jobs VALUES (?, ?, ?, ?)", job)
            else:
                other = (_key(file.source),)
                self._database.execute("INSERT OR IGNORE INTO passed_over VALUES (?)", other)
        self._database.execute("COMMIT")
        self._database.executescript(_INDICES)

    def __len__(self) -> int:
        return int(self._database.execute("SELECT count(*) FROM jobs").fetchone()[0])

    def __iter__(self) -> Iterator[Job]:
        rows = self._database.execute("SELECT source, place FROM jobs ORDER BY source")
        for source, place in rows:
            yield self._job(source, place)

    def some(self, most: int) -> list[Job]:
        """Return jobs evenly spread over all, at most the number given."""
        return [*islice(self, 0, None, max(1, -(-len(self) // most)))]

    def count_passed_over(self) -> int:
        """Count the files that are neither pictures nor clips by name."""
        return int(self._database.execute("SELECT count(*) FROM passed_over").fetchone()[0])

    def passed_over(self) -> Iterator[Path]:
        """Yield the files that are neither pictures nor clips by name, sorted."""
        for (source,) in self._database.execute("SELECT source FROM passed_over ORDER BY source"):
            yield _path(source)

    def drop_results(self) -> None:
        """Remove jobs whose inputs are outputs of other jobs."""
        self._database.execute(
            "DELETE FROM jobs WHERE input IN (SELECT result FROM jobs WHERE result != input)"
        )

    def keep(self, shard: Shard) -> None:
        """Remove the jobs of other shards."""
        if shard.is_whole:
            return
        self._database.create_function("is_held", 1, lambda place: shard.holds(os.fsdecode(place)))
        self._database.execute("DELETE FROM jobs WHERE NOT is_held(place)")

    def check(self) -> None:
        """Raise `ImageError` for an output that is an input, and for two inputs of one output."""
        replaced = self._database.execute(
            "SELECT jobs.source, jobs.place, other.source FROM jobs "
            "JOIN jobs AS other ON other.input = jobs.result ORDER BY jobs.source LIMIT 1"
        ).fetchone()
        if replaced:
            raise ImageError(
                f"{self._job(*replaced[:2]).target}: would replace the input {_path(replaced[2])}; "
                "choose another folder, suffix or format"
            )
        twice = self._database.execute(
            "SELECT result FROM jobs GROUP BY result HAVING count(*) > 1 LIMIT 1"
        ).fetchone()
        if twice:
            query = "SELECT source, place FROM jobs WHERE result = ? ORDER BY source LIMIT 2"
            first, second = (self._job(*row) for row in self._database.execute(query, twice))
            raise ImageError(
                f"{first.source} and {second.source} would both become {second.target}"
            )

    def _job(self, source: bytes, place: bytes) -> Job:
        return Job(_path(source), self._output / os.fsdecode(place))


def _key(source: str) -> bytes:
    """Return bytes in the order of `Path`: a folder's files come before those of "folder-2"."""
    return os.fsencode(source).replace(os.fsencode(os.sep), b"\0")


def _path(key: bytes) -> Path:
    return Path(os.fsdecode(key.replace(b"\0", os.fsencode(os.sep))))


def _digest(name: str) -> bytes:
    return hashlib.blake2b(os.fsencode(name), digest_size=16).digest()
