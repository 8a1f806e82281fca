"""Carry out a plan in this process: read, restore and write at the same time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from restore.jobs.file_stages import JobCallbacks, Stages, Underway
from restore.jobs.folder_callbacks import FolderCallbacks
from restore.jobs.folder_options import FolderOptions
from restore.jobs.folder_work import FolderWork, LoadedWork
from restore.jobs.input_sizes import sizes_of_jobs
from restore.jobs.job_restorer import Notify, Used, announce, shared_cores, with_borders
from restore.jobs.job_table import Job, Jobs
from restore.jobs.manifest import Manifest
from restore.jobs.outcome import Outcome
from restore.pipe import piped


@contextmanager
def opened(
    work: FolderWork, how: FolderOptions, sources: Sequence[Path], calls: FolderCallbacks
) -> Iterator[LocalExecutor]:
    """An `Opener`."""
    workers = how.workers or 1
    with shared_cores(work.head, work.options, workers):
        yield LocalExecutor(work.load(workers), workers, calls.notify)


@dataclass(frozen=True)
class LocalExecutor:
    """Restores files in threads of this process."""

    loaded: LoadedWork
    workers: int
    notify: Notify | None = None

    @property
    def used(self) -> Used:
        return self.loaded.used

    def announce(self, jobs: Jobs) -> None:
        if self.notify is not None:
            sizes, times = sizes_of_jobs(jobs, self.loaded.work.policy.overwrite)
            announce(self.loaded.restorer, sizes, self.notify, times, self.workers)

    def run(self, jobs: Jobs, manifest: Manifest, calls: JobCallbacks) -> Iterator[Outcome]:
        for outcome in run(jobs, self.loaded.stages(manifest, calls), self.workers):
            yield with_borders(outcome, self.loaded.restorer)


def run(jobs: Iterable[Job], stages: Stages, workers: int = 1) -> Iterator[Outcome]:
    """Yield an outcome for every job, in order, as soon as it is known.

    While a picture is restored, the next one is read and the previous one is written. Any error
    fails the file it occurs in. A full disk fails one file and stops the remaining ones, whose
    reason is `DISK_FULL`. ``workers`` is the number of files restored at a time.
    """
    looked = (stages.guarded(stages.look, Underway(job)) for job in jobs)
    read, restore, write = (
        partial(stages.guarded, work) for work in (stages.read, stages.restore, stages.write)
    )
    opened = piped(looked, read, threads=1, ahead=1, at_once=_if_finished)
    better = piped(opened, restore, threads=workers, ahead=workers, at_once=_if_finished)
    for underway in piped(better, write, threads=1, ahead=1, at_once=_if_finished):
        assert underway.outcome is not None
        yield underway.outcome


def _if_finished(underway: Underway) -> Underway | None:
    return underway if underway.outcome is not None else None
