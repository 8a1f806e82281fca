"""The record of a folder run: one line for each output, in the folder of the results.

A file is done when its line and its output agree. The line is written when the output is complete
but not yet under its name, so that a kill at any moment loses nothing: a later run finds the line,
and either the output or the temporary file that is to be renamed.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from restore.errors import RestoreError
from restore.files import claimed, sha256_of

NAME = ".restore-batch.jsonl"
LOCK = ".restore-batch.lock"
MARK = "restore-batch-"
"""Prefix of temporary files, by which those of a killed run are recognised."""


@dataclass(frozen=True)
class ManifestLine:
    """One output of a run. Raises `ValueError` for values that no run has written.

    ``output``, ``temporary``: paths relative to the folder.
    ``key``: the input, model and options that the output was made with.
    """

    input: str
    output: str
    temporary: str
    output_sha256: str
    key: Mapping[str, Any]

    def __post_init__(self) -> None:
        # The file may come from anywhere, and the files that it names are moved and replaced.
        for name in (self.output, self.temporary, self.output_sha256):
            if not isinstance(name, str) or Path(name).is_absolute() or ".." in Path(name).parts:
                raise ValueError(f"{name!r} is not in the folder")
        temporary = Path(self.temporary).name
        if not temporary.startswith(f".{MARK}") or not temporary.endswith(".part"):
            raise ValueError(f"{temporary!r} is no temporary file of a folder run")


class Manifest:
    """The lines of a folder. Use `opened`."""

    def __init__(self, folder: Path):
        self.folder = folder.resolve()  # as temporary files are named
        self.path = self.folder / NAME
        self._adding = threading.Lock()
        self._lines: dict[str, list[ManifestLine]] = {}  # of each output, the last one last
        for text in self._read().splitlines():
            try:
                line = ManifestLine(**json.loads(text))
            except (ValueError, TypeError):
                continue  # cut short by a kill: that file is not done
            self._lines.setdefault(line.output, []).append(line)

    def _read(self) -> str:
        try:
            return self.path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    def made(self, target: Path) -> ManifestLine | None:
        """Return the line of an output that is unchanged since it was made, or None."""
        lines = self._lines.get(self._name(target))
        if lines and target.is_file() and sha256_of(target) == lines[-1].output_sha256:
            return lines[-1]
        return None

    def add(self, source: Path, target: Path, temporary: Path, key: Mapping[str, Any]) -> None:
        """Record that ``temporary`` is about to become ``target``. Raises `OSError`."""
        names = self._name(target), os.path.relpath(temporary, self.folder)
        line = ManifestLine(str(source), *names, sha256_of(temporary), dict(key))
        with self._adding, open(self.path, "a+b") as file:
            if file.tell() and not self._ends_a_line(file):
                file.write(b"\n")
            file.write(json.dumps(asdict(line)).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._lines.setdefault(line.output, []).append(line)

    @staticmethod
    def _ends_a_line(file: Any) -> bool:
        file.seek(-1, os.SEEK_END)
        return bool(file.read(1) == b"\n")

    def sweep(self, folders: Iterable[Path]) -> None:
        """Rename complete outputs, and remove incomplete ones that a killed run has left in
        ``folders``. Folders with a manifest of their own are left alone."""
        for lines in self._lines.values():
            temporary, target = (self.folder / p for p in (lines[-1].temporary, lines[-1].output))
            if not temporary.is_file() or sha256_of(temporary) != lines[-1].output_sha256:
                continue
            ours = {line.output_sha256 for line in lines}
            if not os.path.lexists(target) or sha256_of(target) in ours:
                os.replace(temporary, target)
        for folder in folders:
            if folder.resolve() == self.folder or not (folder / LOCK).exists():
                for path in folder.glob(f".{MARK}*.part"):
                    path.unlink(missing_ok=True)

    def _name(self, target: Path) -> str:
        place = target.parent.resolve() / target.name
        return Path(os.path.relpath(place, self.folder)).as_posix()


@contextmanager
def opened(folder: Path) -> Iterator[Manifest]:
    """Open the manifest of a folder, for one run at a time. Raises `RestoreError`."""
    with claimed(folder, LOCK, RestoreError):
        yield Manifest(folder)
