"""Time and memory of a folder run without restoration: plan, manifest, and a rerun.

The files are empty and never opened, so any number can be measured.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil

from restore.errors import RestoreError
from restore.jobs import manifest
from restore.jobs.executors.local import run
from restore.jobs.file_stages import Stages
from restore.jobs.file_version import version_of
from restore.jobs.folder_plan import plan
from restore.jobs.manifest_line import MARK, ManifestLine
from restore.jobs.outcome import SKIPPED

_IN_A_FOLDER = 10_000
_KEY = {"model": "none"}
_EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""SHA-256 of nothing."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class PlanFigures:
    """Seconds of each part, and the growth of this process in MiB by the end of that part.
    ``opened``: files of the folder that the rerun opened."""

    files: int
    plan: float
    read_manifest: float
    rerun: float
    memory: float
    opened: int


def measure(files: int, place: Path | None, progress: Progress) -> PlanFigures:
    """Make ``files`` empty inputs and outputs with their manifest below ``place``, plan a run, read
    the manifest, and run again. Raises `RestoreError` if the rerun restores anything."""
    with tempfile.TemporaryDirectory(dir=place) as folder:
        source, target = Path(folder, "in"), Path(folder, "out")
        _make(source, target, files, progress)
        opened = _count_opened(source, target)
        base = most = _memory()
        started = time.perf_counter()
        jobs = plan([source], target, recursive=True)
        planned = time.perf_counter()
        most = max(most, _memory())
        with manifest.opened(target) as made:
            read = time.perf_counter()
            before = opened[0]
            for number, outcome in enumerate(run(jobs, Stages(_fail, made, _KEY))):
                if outcome.status != SKIPPED:
                    raise RestoreError(f"{outcome.source}: {outcome.status}: {outcome.reason}")
                if number % 1000 == 0:
                    most = max(most, _memory())
                    progress(number, files)
            ended = time.perf_counter()
        times = planned - started, read - planned, ended - read
        return PlanFigures(files, *times, (most - base) / 2**20, opened[0] - before)


def _make(source: Path, target: Path, files: int, progress: Progress) -> None:
    target.mkdir(parents=True)
    with open(target / manifest.NAME, "w", encoding="utf-8") as lines:
        for number in range(files):
            place = Path(f"{number // _IN_A_FOLDER:04}", f"{number:08}.jpg")
            for path in (source / place, target / place):
                if number % _IN_A_FOLDER == 0:
                    path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
            temporary = place.with_name(f".{MARK}0.part")
            versions = version_of(source / place), version_of(target / place)
            names = str(source / place), place.as_posix(), temporary.as_posix()
            line = ManifestLine(*names, _EMPTY, _KEY | {"input_sha256": _EMPTY}, *versions)
            print(json.dumps(asdict(line)), file=lines)
            if number % 1000 == 0:
                progress(number, files)


def _count_opened(*folders: Path) -> list[int]:
    """Return a list whose only item counts the files opened in the folders, except manifests."""
    count, names = [0], tuple(f"{folder}{os.sep}" for folder in folders)

    def see(event: str, arguments: tuple) -> None:
        if event == "open" and isinstance(arguments[0], str | os.PathLike):
            path = os.fspath(arguments[0])
            if path.startswith(names) and not path.endswith((".jsonl", ".lock")):
                count[0] += 1

    sys.addaudithook(see)  # audit hooks cannot be removed; this process does nothing else
    return count


def _memory() -> int:
    return int(psutil.Process().memory_info().rss)


def _fail(pixels: np.ndarray, report: object) -> np.ndarray:
    raise RestoreError("was not to be restored")
