"""Give the jobs of a plan to workers, and record what they have done.

The driver alone writes the manifest, in two steps with a worker: a complete output is handed over
under its temporary name, its line is written, and the worker renames it. Killed workers and killed
drivers thus lose the files in work and nothing else, and no file is recorded twice.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path

from restore.errors import RestoreError
from restore.files import is_full_disk
from restore.jobs.crew import Assignment, Crew, Hand
from restore.jobs.file_stages import JobCallbacks, done_before, is_unchanged
from restore.jobs.file_worker import AT_ONCE, Handover, Order, TileReport
from restore.jobs.job_table import Job, Jobs
from restore.jobs.manifest import Manifest
from restore.jobs.outcome import DISK_FULL, FAILED, STOPPED, Outcome

_ATTEMPTS = 3
"""Workers that may die with a file before it fails."""
_ASK_EVERY = 0.5
"""Seconds between two questions to a worker about its files in work."""


class Dispatch:
    """One run of a plan.

    ``folders``: inputs that every worker must have.
    """

    def __init__(
        self, crew: Crew, manifest: Manifest, calls: JobCallbacks, folders: Sequence[Path]
    ):
        self._crew, self._manifest, self._calls = crew, manifest, calls
        self._folders = folders
        self._numbers = count()
        self._again: deque[tuple[Job, int]] = deque()
        self._outcomes: deque[Outcome] = deque()
        self._stopping = False
        self._asked = time.monotonic()

    def run(self, jobs: Jobs) -> Iterator[Outcome]:
        """Yield an outcome for every job as soon as it is known. Raises `RestoreError`."""
        waiting: Iterator[Job] | None = iter(jobs)
        self._crew.on_loss = self._lost
        with self._probe() as probe:
            while True:
                while self._outcomes:
                    yield self._outcomes.popleft()
                self._look(probe)
                if waiting is not None and not self._again:
                    if (hand := self._free(AT_ONCE)) or self._stopping:
                        job = next(waiting, None)
                        if job is None:
                            waiting = None
                        else:
                            self._begin(job, hand)
                        continue
                elif self._again and ((hand := self._free(1)) or self._stopping):
                    self._repeat(*self._again.popleft(), hand)
                    continue
                elif not self._again and not any(h.assignments for h in self._crew.hands):
                    return
                self._crew.handle()
                self._ask_for_reports()

    @contextmanager
    def _probe(self) -> Iterator[Path]:
        """Provide a file that exists only in this folder, of a name that a later run sweeps."""
        folder = self._manifest.folder
        self._manifest.sweep(folder)
        probe = folder / f".{self._manifest.mark}probe-{os.urandom(8).hex()}.part"
        probe.touch()
        try:
            yield probe
        finally:
            probe.unlink(missing_ok=True)

    def _look(self, probe: Path) -> None:
        """Check new workers, and stop all if that is asked for."""
        paths = [str(path) for path in (probe, *self._folders)]
        for hand in self._crew.hands:
            if hand.is_ready and hand.sees is None:
                hand.sees = False
                self._crew.ask(hand, "missing", paths, then=partial(self._seen, hand, str(probe)))
        if self._calls.should_stop() and not self._stopping:
            self._stopping = True
            for hand in self._crew.hands:
                if hand.is_ready:
                    self._crew.ask(hand, "stop", then=lambda _: None)

    def _seen(self, hand: Hand, probe: str, missing: list[str]) -> None:
        if missing:
            path = self._manifest.folder if missing[0] == probe else missing[0]
            error = RestoreError(
                f"{path}: cannot be seen from {hand.node}; all workers need the inputs and the "
                "outputs on a shared file system"
            )
            self._crew.dismiss(hand, error)
        hand.sees = not missing

    def _free(self, most: int) -> Hand | None:
        """Return the worker with the fewest files, if it has fewer than ``most``. A worker that
        repeats a file has no other."""
        able = [
            hand
            for hand in self._crew.hands
            if hand.sees
            and len(hand.assignments) < most
            and not any(each.deaths for each in hand.assignments.values())
        ]
        return min(able, key=lambda hand: len(hand.assignments), default=None)

    def _begin(self, job: Job, hand: Hand | None) -> None:
        if self._stopping or hand is None:
            self._outcomes.append(Outcome(job.source, job.target, STOPPED))
            return
        self._manifest.sweep(job.target.parent)
        work = self._crew.work
        if is_unchanged(job, self._manifest, self._crew.state.key, work.moving_key):
            self._outcomes.append(done_before(job))
        else:
            self._send(job, hand)

    def _repeat(self, job: Job, deaths: int, hand: Hand | None) -> None:
        if self._stopping or hand is None:
            self._outcomes.append(Outcome(job.source, job.target, STOPPED))
        else:
            self._send(job, hand, deaths)

    def _send(self, job: Job, hand: Hand, deaths: int = 0) -> None:
        number = next(self._numbers)
        there = Job(*(Path(os.path.abspath(path)) for path in (job.source, job.target)))
        mark = f"{self._manifest.mark}order{number}-"
        order = Order(number, there, mark, tuple(self._manifest.lines_of(job.target)))
        given = hand.assignments[number] = Assignment(job, order, deaths)
        self._crew.ask(
            *(hand, "prepare", order),
            then=partial(self._prepared, hand, given),
            otherwise=partial(self._failed, hand, given),
        )

    def _prepared(self, hand: Hand, given: Assignment, result: Handover | Outcome) -> None:
        if isinstance(result, Outcome):
            self._finished(hand, given, result)
            return
        job, refusal = given.job, ""
        temporary = job.target.resolve().with_name(result.name)
        made = result.key, result.input_version, result.output
        try:
            given.line = self._manifest.add(job.source, job.target, temporary, *made)
        except OSError as error:
            refusal = DISK_FULL if is_full_disk(error) else f"{self._manifest.path}: {error}"
        self._crew.ask(
            *(hand, "finish", given.order.number, refusal),
            then=partial(self._finished, hand, given),
            otherwise=partial(self._failed, hand, given),
        )

    def _finished(self, hand: Hand, given: Assignment, outcome: Outcome) -> None:
        hand.assignments.pop(given.order.number, None)
        self._crew.thrive()
        job = given.job
        self._outcomes.append(replace(outcome, source=job.source, target=job.target))

    def _failed(self, hand: Hand, given: Assignment, error: Exception) -> None:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        self._finished(hand, given, Outcome(given.job.source, given.job.target, FAILED, reason))

    def _lost(self, hand: Hand, why: str) -> None:
        """Decide about the files of a worker that has died: each is done, tried again, or fails.

        What is tried again is tried alone, since one file may have killed the worker of others.
        """
        for given in hand.assignments.values():
            job, deaths = given.job, given.deaths + 1
            if given.line is not None and self._is_complete(given):
                self._outcomes.append(Outcome(job.source, job.target))
                continue
            for rest in job.target.resolve().parent.glob(f".{given.order.mark}*.part"):
                rest.unlink(missing_ok=True)
            if deaths == _ATTEMPTS:
                reason = f"{deaths} workers have died with it, the last one of: {why}"
                self._outcomes.append(Outcome(job.source, job.target, FAILED, reason))
                self._crew.thrive()
            else:
                self._again.append((job, deaths))

    def _is_complete(self, given: Assignment) -> bool:
        assert given.line is not None
        self._manifest.complete_line(given.line)
        return given.line in self._manifest.lines_of(given.job.target)

    def _ask_for_reports(self) -> None:
        now = time.monotonic()
        if now - self._asked < _ASK_EVERY:
            return
        self._asked = now
        for hand in self._crew.hands:
            if hand.assignments and not hand.is_asked:
                hand.is_asked = True
                self._crew.ask(hand, "reports", then=partial(self._reported, hand))

    def _reported(self, hand: Hand, reports: list[TileReport]) -> None:
        hand.is_asked = False
        for report in reports:
            given = hand.assignments.get(report.number)
            if given is not None and report.of_frames:
                self._calls.frames(given.job, int(report.done), report.total)
            elif given is not None:
                self._calls.tiles(given.job, report.done, report.total)
