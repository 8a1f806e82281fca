"""The record of a folder run: one line for each output, in the folder of the results.

A file is done when a line and its output agree. The line is written when the output is complete
but not yet under its name, so that a kill at any moment loses nothing: a later run finds the line,
and either the output or the temporary file that is to be renamed.

Each writer has a file of its own: a whole run `NAME`, a shard one with its number. Readers merge
them. Their order does not matter, since a line states the bytes that its key led to.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from restore.errors import RestoreError
from restore.files import claimed, sha256_of
from restore.jobs.file_version import version_of
from restore.jobs.manifest_index import LineIndex, tail
from restore.jobs.manifest_line import MARK, ManifestLine, OutputState
from restore.jobs.shard import WHOLE, Shard

_STEM = ".restore-batch"
NAME = f"{_STEM}.jsonl"
LOCK = f"{_STEM}.lock"
_WAIT = 30.0
"""Seconds that a shard waits while others start."""
_UNFINISHED = 1000
"""Last lines of a file whose outputs may be without their names: more than files are written at a
time, and those before were completed by the run that wrote these."""


class Manifest:
    """The lines of a folder. Use `opened`."""

    def __init__(self, folder: Path, shard: Shard = WHOLE):
        self.folder = folder.resolve()  # as temporary files are named
        self.shard = shard
        self.path = part_of(self.folder, shard)
        self.mark = f"{MARK}{shard.label}-" if shard.label else MARK
        """Part of the names of temporary files, by which those of a killed run are recognised."""
        self._adding = threading.Lock()
        self._swept: set[Path] = set()
        self._places: dict[Path, str] = {}  # of folders below this one, whose links are resolved
        self._index = LineIndex()
        for part in sorted(self.folder.glob(f"{_STEM}*.jsonl")):
            self._index.read(part)

    def lines_of(self, target: Path) -> list[ManifestLine]:
        """Return the lines that led to the present bytes of an output: none if it is missing, or
        has been changed by others. An output of unchanged size and time is not read again."""
        lines = self._index.find(self._name(target))
        now = version_of(target) if lines else None
        if now is None:
            return []
        known = [line.output_sha256 for line in lines if line.output_version == now]
        if not known and not target.is_file():
            return []
        present = known[-1] if known else sha256_of(target)
        return [line for line in lines if line.output_sha256 == present]

    def add(
        self,
        source: Path,
        target: Path,
        temporary: Path,
        key: Mapping[str, Any],
        input_version: list[int] | None = None,
        output: OutputState | None = None,
    ) -> ManifestLine:
        """Record that ``temporary``, whose bytes are ``output``, is about to become ``target``.
        Raises `OSError`."""
        output = output or OutputState.of(temporary)
        line = ManifestLine(
            str(source),
            self._name(target),
            os.path.relpath(temporary, self.folder),
            output.sha256,
            dict(key),
            input_version,
            output.version,
        )
        with self._adding, open(self.path, "a+b") as file:
            if file.tell() and not self._ends_a_line(file):
                file.write(b"\n")
            offset = file.tell()
            file.write(json.dumps(asdict(line)).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
            self._index.add(line.output, self.path, offset)
        return line

    @staticmethod
    def _ends_a_line(file: Any) -> bool:
        file.seek(-1, os.SEEK_END)
        return bool(file.read(1) == b"\n")

    def complete(self) -> None:
        """Rename complete outputs that a killed run has left, except those of other shards of this
        run, which may be at work."""
        for part in self.folder.glob(f"{_STEM}*.jsonl"):
            if not self._is_of_a_sibling(part.name.removeprefix(f"{_STEM}.")):
                for line in tail(part, _UNFINISHED):
                    self.complete_line(line)

    def complete_line(self, line: ManifestLine) -> None:
        """Rename the output of a line if it is complete and still has its temporary name."""
        temporary, target = (self.folder / path for path in (line.temporary, line.output))
        if not temporary.is_file() or sha256_of(temporary) != line.output_sha256:
            return
        ours = {line.output_sha256 for line in self._index.find(line.output)}
        if not os.path.lexists(target) or sha256_of(target) in ours:
            with contextlib.suppress(FileNotFoundError):  # its worker still lived
                os.replace(temporary, target)

    def sweep(self, folder: Path) -> None:
        """Remove incomplete outputs of killed runs in a folder that this run has not yet written
        to. A folder with a manifest of its own is left alone, as are other shards of this run."""
        if folder in self._swept:
            return
        resolved = folder.resolve()
        known = resolved in self._swept  # by another path: its files may be of this run
        self._swept |= {folder, resolved}
        if known or not resolved.is_dir():
            return
        folder, names = resolved, os.listdir(resolved)
        if folder != self.folder and any(_is_lock(name) for name in names):
            return
        for name in names:
            is_ours = name.startswith(f".{MARK}") and name.endswith(".part")
            if is_ours and not self._is_of_a_sibling(name.removeprefix(f".{MARK}")):
                (folder / name).unlink(missing_ok=True)

    def _is_of_a_sibling(self, label: str) -> bool:
        """Return whether a name, from its label on, is of another shard of the same count."""
        found = re.match(r"(\d+)-of-(\d+)\b", label)
        if found is None:
            return False
        index, count = map(int, found.groups())
        return count == self.shard.count and index != self.shard.index

    def _name(self, target: Path) -> str:
        parent = target.parent
        if parent not in self._places:
            place = os.path.relpath(parent.resolve(), self.folder)
            self._places[parent] = Path(place).as_posix()
        place = self._places[parent]
        return target.name if place == "." else f"{place}/{target.name}"

    def close(self) -> None:
        """Release the index."""
        self._index.close()


def part_of(folder: Path, shard: Shard) -> Path:
    """Return the file that a shard, or a whole run, writes its lines to."""
    return folder / _named("jsonl", shard.label)


def _named(kind: str, label: str) -> str:
    return f"{_STEM}.{label}.{kind}" if label else f"{_STEM}.{kind}"


def _is_lock(name: str) -> bool:
    return name.startswith(_STEM) and name.endswith(".lock")


@contextmanager
def opened(folder: Path, shard: Shard = WHOLE) -> Iterator[Manifest]:
    """Open the manifest of a folder, for one run at a time, or for each shard of it. Raises
    `RestoreError`."""
    with ExitStack() as held:
        if shard.is_whole:
            held.enter_context(claimed(folder, LOCK, RestoreError, hint=_HINT))
            _refuse_shards(folder, shard)
            manifest = Manifest(folder)
            manifest.complete()
        else:
            # Shards start one after another, so that two never take each other's test for a run.
            with claimed(folder, LOCK, RestoreError, timeout=_WAIT):
                lock = _named("lock", shard.label)
                held.enter_context(claimed(folder, lock, RestoreError))
                _refuse_shards(folder, shard)
                manifest = Manifest(folder, shard)
                manifest.complete()
        with contextlib.closing(manifest):
            yield manifest


_HINT = '; several processes share a folder as shard="1/4" to shard="4/4"'


def _refuse_shards(folder: Path, shard: Shard) -> None:
    """Raise `RestoreError` if shards of another count are at work."""
    for lock in folder.glob(f"{_STEM}.*-of-*.lock"):
        if not lock.name.endswith(f"-of-{shard.count}.lock"):
            with claimed(folder, lock.name, RestoreError):
                pass
