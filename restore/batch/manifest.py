"""What a batch has done: a line a picture, in the folder of the results.

A picture is done when its line and its output agree. The line is written when the output is
complete but not yet under its name, so that a kill at any moment loses nothing: a later run finds
the line, and either the output or the temporary file that only needs its name.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from restore.errors import RestoreError
from restore.files import sha256_of

NAME = ".restore-batch.jsonl"
LOCK = ".restore-batch.lock"
MARK = "restore-batch-"
"""Begins the temporary files of a batch, so that those of a killed run are known as such."""


@dataclass(frozen=True)
class Line:
    """``output`` and ``temporary`` are paths relative to the folder; ``key`` tells by which input,
    model and options the output was made."""

    input: str
    output: str
    temporary: str
    output_sha256: str
    key: Mapping[str, Any]


class Manifest:
    """The lines of a folder, the last one for each output. Use `opened`."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.path = folder / NAME
        self._lines: dict[str, Line] = {}
        for text in self._read().splitlines():
            try:
                line = Line(**json.loads(text))
            except (ValueError, TypeError):
                continue  # torn by a kill while it was written: that picture is not done
            self._lines[line.output] = line

    def _read(self) -> str:
        try:
            return self.path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    def made(self, target: Path) -> Line | None:
        """The line of an output that stands there as it was made, or None."""
        line = self._lines.get(self._name(target))
        if line and target.is_file() and sha256_of(target) == line.output_sha256:
            return line
        return None

    def add(self, source: Path, target: Path, temporary: Path, key: Mapping[str, Any]) -> None:
        """Record that ``temporary`` is about to become ``target``. Raises `OSError`."""
        names = self._name(target), os.path.relpath(temporary, self.folder)
        line = Line(str(source), *names, sha256_of(temporary), dict(key))
        with open(self.path, "a+b") as file:
            if file.tell() and not self._ends_a_line(file):
                file.write(b"\n")
            file.write(json.dumps(asdict(line)).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._lines[line.output] = line

    @staticmethod
    def _ends_a_line(file: Any) -> bool:
        file.seek(-1, os.SEEK_END)
        return bool(file.read(1) == b"\n")

    def sweep(self) -> None:
        """Name what is complete and remove what a killed run has left half-written."""
        for line in self._lines.values():
            temporary = self.folder / line.temporary
            if temporary.is_file() and sha256_of(temporary) == line.output_sha256:
                os.replace(temporary, self.folder / line.output)
        for path in self.folder.rglob(f".{MARK}*.part"):
            path.unlink(missing_ok=True)

    def _name(self, target: Path) -> str:
        return Path(os.path.relpath(target, self.folder)).as_posix()


@contextmanager
def opened(folder: Path) -> Iterator[Manifest]:
    """The manifest of a folder, swept, for one run at a time. Raises `RestoreError`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK)
        with lock.acquire(timeout=0):
            manifest = Manifest(folder)
            manifest.sweep()
            yield manifest
    except Timeout:
        raise RestoreError(f"{folder}: another run is writing there") from None
