"""A worker of a folder run: a process of its own, on this machine or on another.

The driver, `restore.jobs.dispatch`, holds the manifest. A worker hands each complete output over
under its temporary name, and gives it its name once the driver has recorded it. A worker that is
killed, or that the driver has given up, therefore leaves no output that no line states.
"""

from __future__ import annotations

import os
import platform
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from restore.errors import RestoreError
from restore.jobs.file_stages import JobCallbacks, Underway
from restore.jobs.folder_work import FolderWork, LoadedWork
from restore.jobs.job_restorer import Used, announce, with_borders
from restore.jobs.job_table import Job
from restore.jobs.manifest_line import ManifestLine, OutputState
from restore.jobs.outcome import Outcome
from restore.version import __version__

AT_ONCE = 3
"""Files that a worker holds: one is read, one restored, one written."""


@dataclass(frozen=True)
class WorkerState:
    """``key``: everything besides the input that decides its results."""

    node: str
    version: str
    key: Mapping[str, Any]
    used: Used


@dataclass(frozen=True)
class Order:
    """A job for a worker, whose paths are absolute.

    ``number``: no other order of the run has it.
    ``mark``: part of the names of temporary files.
    ``known``: lines that led to the present bytes of the output.
    """

    number: int
    job: Job
    mark: str
    known: tuple[ManifestLine, ...] = ()


@dataclass(frozen=True)
class Handover:
    """A complete output under its temporary ``name``, in the folder of the output."""

    name: str
    key: Mapping[str, Any]
    input_version: list[int] | None
    output: OutputState


@dataclass(frozen=True)
class TileReport:
    """Finished and total tiles of an order's picture, or frames of its clip."""

    number: int
    done: float
    total: int
    of_frames: bool


@dataclass(frozen=True)
class _Desk:
    """Stands in for the manifest: what a worker has to record goes to the driver."""

    order: Order
    said: SimpleQueue[Handover | Outcome] = field(default_factory=SimpleQueue)
    answers: SimpleQueue[str] = field(default_factory=SimpleQueue)

    @property
    def mark(self) -> str:
        return self.order.mark

    def sweep(self, folder: Path) -> None:
        """The driver has swept it."""

    def lines_of(self, target: Path) -> list[ManifestLine]:
        return [*self.order.known]

    def add(
        self,
        source: Path,
        target: Path,
        temporary: Path,
        key: Mapping[str, Any],
        input_version: list[int] | None = None,
    ) -> None:
        """Wait until the driver has recorded it. Raises `RestoreError` with its refusal."""
        state = OutputState.of(temporary)
        self.said.put(Handover(temporary.name, dict(key), input_version, state))
        if refusal := self.answers.get():
            raise RestoreError(refusal)


class FileWorker:
    """Restores files one after another: while one is restored, others are read and written.

    Its methods may be called from several threads.
    """

    def __init__(self) -> None:
        self._loaded: LoadedWork | None = None
        self._network = ThreadPoolExecutor(1)  # more would have OpenMP start threads for each
        self._files = ThreadPoolExecutor(AT_ONCE)
        self._desks: dict[int, _Desk] = {}
        self._reports: dict[int, TileReport] = {}
        self._stopped, self._full = threading.Event(), threading.Event()

    def load(self, work: FolderWork, sharing: int) -> WorkerState:
        """Load the model. ``sharing`` is the number of workers that share this machine's memory.
        Raises `RestoreError`."""
        loaded = self._network.submit(work.load, processes=sharing).result()
        self._loaded = loaded
        return WorkerState(platform.node(), __version__, loaded.key, loaded.used)

    def missing(self, paths: Sequence[str]) -> list[str]:
        """Return those of the files and folders that this machine does not have."""
        return [path for path in paths if not os.path.lexists(path)]

    def announce(self, sizes: list[tuple[int, int]], times: float, workers: int) -> list[str]:
        """Return what `restore.jobs.job_restorer.announce` says."""
        said: list[str] = []
        announce(self._ready.restorer, sizes, said.append, times, workers)
        return said

    def prepare(self, order: Order) -> Handover | Outcome:
        """Restore a file up to its complete output; `finish` does the rest. Return an outcome
        instead if there is no output."""
        desk = self._desks[order.number] = _Desk(order)
        self._files.submit(self._restore, desk)
        return desk.said.get()

    def finish(self, number: int, refusal: str = "") -> Outcome:
        """Give an output its name, unless there is a ``refusal``, for which the file then fails."""
        desk = self._desks[number]
        desk.answers.put(refusal)
        outcome = desk.said.get()
        assert isinstance(outcome, Outcome)
        return outcome

    def reports(self) -> list[TileReport]:
        """Return how far the files in work are, where that has changed."""
        # Threads that finish their files remove the reports on them meanwhile.
        found = (self._reports.pop(number, None) for number in [*self._reports])
        return [report for report in found if report is not None]

    def stop(self) -> None:
        """Drop all files but those being written."""
        self._stopped.set()

    @property
    def _ready(self) -> LoadedWork:
        assert self._loaded is not None, "load comes first"
        return self._loaded

    def _restore(self, desk: _Desk) -> None:
        order, number = desk.order, desk.order.number

        def report(done: float, total: int, of_frames: bool) -> None:
            self._reports[number] = TileReport(number, done, total, of_frames)

        calls = JobCallbacks(
            self._stopped.is_set,
            frames=lambda job, done, total: report(done, total, True),
            tiles=lambda job, done, total: report(done, total, False),
        )
        stages = self._ready.stages(desk, calls, self._full)
        read = stages.guarded(stages.read, Underway(order.job))
        better = self._network.submit(stages.guarded, stages.restore, read).result()
        outcome = stages.guarded(stages.write, better).outcome
        assert outcome is not None
        self._reports.pop(number, None)
        del self._desks[number]
        desk.said.put(with_borders(outcome, self._ready.restorer))
