"""The queue: one thread restores uploads one after the other."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from restore.errors import RestoreError
from restore.files import atomic_path
from restore.serve.job_runner import JobRunner
from restore.serve.limits import (
    JobCancelledError,
    Limits,
    QueueFullError,
    UnknownJobError,
    status_of,
)
from restore.serve.served_job import CANCELLED, DONE, FAILED, FINISHED, RUNNING, WAITING, ServedJob

_TICK = 1.0
"""Seconds between two looks for results that have been kept long enough."""
_NOT_KEPT = "there is no such job, or it is no longer kept"


class JobQueue:
    """Jobs that wait, the one that runs, and those that are done and kept.

    A restoration uses all processors, so jobs run one at a time. ``output``: a folder that gets a
    copy of every result.
    """

    def __init__(self, runner: JobRunner, limits: Limits, output: Path | None = None):
        self.limits = limits
        self._runner = runner
        self._output = output
        self._jobs: dict[str, ServedJob] = {}
        self._waiting: deque[ServedJob] = deque()
        self._current: ServedJob | None = None
        self._arriving: list[int] = []
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="restore-serve", daemon=True)
        self._thread.start()

    @property
    def is_closing(self) -> bool:
        """Whether the server is about to end."""
        return self._closing

    def counts(self) -> dict[str, int]:
        """Count the jobs of each state. A removed job is running until its work has stopped."""
        with self._changed:
            current = self._current
            states = [job.state for job in self._jobs.values() if job is not current]
            states += [RUNNING] if current is not None else []
        return {state: states.count(state) for state in (WAITING, RUNNING, *FINISHED)}

    @contextmanager
    def place(self, size: int | None = None) -> Iterator[None]:
        """Hold a place in the queue while a file of at most ``size`` bytes is uploaded; None is
        the largest upload. Raises `QueueFullError`."""
        size = self.limits.upload_bytes if size is None else size
        with self._changed:
            sizes = [job.size for job in self._jobs.values() if job.state not in FINISHED]
            sizes += self._arriving
            full = f"{self.limits.queue} files" if len(sizes) >= self.limits.queue else ""
            if sizes and sum(sizes) + size > self.limits.queue_bytes:
                full = f"{self.limits.queue_bytes / 2**20:,.0f} MiB"
            if full:
                raise QueueFullError(f"the queue is full ({full}); try again in a few seconds")
            self._arriving.append(size)
        try:
            yield
        finally:
            with self._changed:
                self._arriving.remove(size)

    def add(self, job: ServedJob) -> None:
        """Let a job wait for its turn, in a `place`."""
        with self._changed:
            if self._closing:
                raise QueueFullError("the server is closing")
            self._jobs[job.id] = job
            self._waiting.append(job)
            self._changed.notify_all()

    def get(self, identity: str) -> ServedJob:
        """Return a job. Raises `UnknownJobError`."""
        job = self._jobs.get(identity)
        if job is None:
            raise UnknownJobError(_NOT_KEPT)
        return job

    def results(self, identities: Sequence[str]) -> list[ServedJob]:
        """Return those of the jobs that are done and kept. Raises `UnknownJobError` if none is
        kept."""
        kept = [job for identity in identities if (job := self._jobs.get(identity))]
        if not kept:
            raise UnknownJobError(_NOT_KEPT)
        return [job for job in kept if job.state == DONE]

    def position(self, job: ServedJob) -> int:
        """Count the jobs that come before a waiting one."""
        with self._changed:
            if job not in self._waiting:
                return 0
            return self._waiting.index(job) + (self._current is not None)

    def cancel(self, job: ServedJob) -> None:
        """End a job: one that waits is taken out, one that runs stops at its next layer."""
        with self._changed:
            job.stop.set()
            if job in self._waiting:
                self._waiting.remove(job)
                job.finish(CANCELLED)

    def remove(self, job: ServedJob) -> None:
        """Cancel a job and remove its files, at once or when it has stopped."""
        self.cancel(job)
        with self._changed:
            self._jobs.pop(job.id, None)
            running = job is self._current
        if not running:
            job.remove()

    def stop(self) -> None:
        """Cancel everything and accept nothing more; may be called by a signal handler."""
        self._closing = True
        for job in [*self._jobs.values()]:
            job.stop.set()

    def close(self) -> None:
        """`stop`, and wait until the thread has ended."""
        self.stop()
        with self._changed:
            self._changed.notify_all()
        self._thread.join(timeout=30)

    def _work(self) -> None:
        while (job := self._next()) is not None:
            _settle(job, partial(self._finish, job))
            with self._changed:
                self._current = None
                kept = job.id in self._jobs
            if not kept:  # it was removed while it ran
                job.remove()

    def _finish(self, job: ServedJob) -> None:
        self._runner.run(job)
        if self._output is not None:
            save(job, self._output)

    def _next(self) -> ServedJob | None:
        """Wait for a job; in the meantime remove results that have been kept long enough."""
        while True:
            self._expire()
            with self._changed:
                if self._closing:
                    return None
                if self._waiting:
                    self._current = self._waiting.popleft()
                    self._current.begin()
                    return self._current
                self._changed.wait(_TICK)

    def _expire(self) -> None:
        with self._changed:
            ended = [job for job in self._jobs.values() if job.state in FINISHED]
            ended.sort(key=lambda job: job.ended, reverse=True)
            total, now, old = 0, time.monotonic(), []
            for job in ended:
                total += job.size
                late = now - job.ended > self.limits.keep_seconds
                if late or total > self.limits.keep_bytes:
                    old.append(self._jobs.pop(job.id))
        for job in old:
            job.remove()


def _settle(job: ServedJob, work: Callable[[], None]) -> None:
    """Do the work of a job and store how it ended. No error ends the thread."""
    try:
        work()
    except JobCancelledError:
        job.finish(CANCELLED)
    except (RestoreError, OSError) as error:
        job.finish(FAILED, one_line(error, job), status_of(error))
    except MemoryError:
        job.finish(FAILED, "not enough memory", 500)
    except Exception as error:  # noqa: BLE001  # a bug in one job must not end the others
        job.finish(FAILED, f"internal error: {type(error).__name__}: {error}", 500)
    else:
        job.finish(DONE)


def one_line(error: Exception, job: ServedJob) -> str:
    """Return the message of an error with the names that the user knows."""
    text = str(error).replace(str(job.source), job.name).replace(str(job.target), job.result_name)
    return " ".join(text.replace(f"{job.folder}/", "").split())


def save(job: ServedJob, folder: Path) -> None:
    """Copy the result into its folder within ``folder``, under a name that is free. Raises
    `OSError`."""
    import shutil

    wanted, number = folder / job.result_path, 2
    path = wanted
    path.parent.mkdir(parents=True, exist_ok=True)
    while path.exists():
        path, number = wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}"), number + 1
    with atomic_path(path) as temporary:
        shutil.copyfile(job.target, temporary)
