"""The manifest of folder runs in an object store: which outputs are done, from which inputs.

Objects cannot be appended to. A run writes a part for each batch, before the outputs of the batch:
a kill leaves a record without its output, which is restored again, never an output without record.
At its end the parts become one.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import tempfile
import time
import uuid
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from restore.jobs.object_store import Store

FOLDER = ".restore-batch"


class ObjectManifest:
    """The records of all runs below a URL, indexed in SQLite's temporary file."""

    def __init__(self, store: Store):
        self._store = store
        self._run = f"{time.time_ns():020}-{uuid.uuid4().hex[:8]}"
        self._parts: list[str] = []
        self._database = sqlite3.connect("", check_same_thread=False)
        weakref.finalize(self, self._database.close)
        self._database.execute("CREATE TABLE done (hash BLOB PRIMARY KEY) WITHOUT ROWID")
        for name in sorted(store.folder(FOLDER)):
            if name.endswith(".jsonl"):
                for line in store.lines(f"{FOLDER}/{name}"):
                    self._add(line)

    def _add(self, line: bytes) -> None:
        try:
            record = json.loads(line)
            row = (_hash(record["output"], record["version"]), _hash(record))
        except (ValueError, TypeError, KeyError):
            return
        self._database.executemany("INSERT OR IGNORE INTO done VALUES (?)", [(h,) for h in row])

    def is_ours(self, output: str, version: list[Any]) -> bool:
        """Return whether a run has made an output of this size and ETag."""
        return self._has(_hash(output, _comparable(version)))

    def is_done(
        self, output: str, version: list[Any], source: list[Any], key: dict[str, Any]
    ) -> bool:
        """Return whether a run has made this output from the same input in the same way."""
        return self._has(_hash(_record(output, _comparable(version), source, key)))

    def _has(self, hash_: bytes) -> bool:
        query = "SELECT 1 FROM done WHERE hash = ?"
        return self._database.execute(query, (hash_,)).fetchone() is not None

    def write(self, batch: Iterable[tuple[str, Path, list[Any], dict[str, Any]]]) -> None:
        """Record (output, its local file, version of its input, key) of outputs that are about to
        be put. Raises `OSError`."""
        lines = [
            json.dumps(_record(output, _version(file), source, key)).encode()
            for output, file, source, key in batch
        ]
        if not lines:
            return
        self._parts.append(f"{FOLDER}/{self._run}-{len(self._parts):06}.jsonl")
        self._put(lines, self._parts[-1])
        for line in lines:
            self._add(line)

    def merge(self) -> None:
        """Replace the parts of this run by one. Raises `OSError`."""
        if len(self._parts) < 2:
            return
        lines = (line.strip() for part in self._parts for line in self._store.lines(part))
        self._put(lines, self._parts[-1])
        for part in self._parts[:-1]:
            self._store.remove(part)

    def _put(self, lines: Iterable[bytes], place: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "part")
            with open(path, "wb") as file:
                file.writelines(line + b"\n" for line in lines)
            self._store.put(path, place)


def _record(
    output: str, version: list[Any], source: list[Any], key: dict[str, Any]
) -> dict[str, Any]:
    return {"output": output, "version": version, "input": source, "key": key}


def _version(file: Path) -> list[Any]:
    """Return what `_comparable` returns for the object that a file becomes."""
    return [file.stat().st_size]


def _comparable(version: list[Any]) -> list[Any]:
    """Return the part of a version that is known before an object is put: its size. The ETag of an
    encrypted object is not its MD5."""
    return version[:1]


def _hash(*values: Any) -> bytes:
    return hashlib.blake2b(json.dumps(values, sort_keys=True).encode(), digest_size=16).digest()
