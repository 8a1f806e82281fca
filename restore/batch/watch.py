"""Pictures that arrive while one waits for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from restore.batch.plan import Job

State = tuple[int, int]


def settled(
    look: Callable[[], list[Job]], pause: Callable[[], object], should_stop: Callable[[], bool]
) -> Iterator[list[Job]]:
    """Jobs whose pictures have arrived: those that two looks with a pause between them find of the
    same size and time. One that changes later comes again.

    ``look`` makes a plan of what there is. Polling, because a folder may lie on a network, where
    nothing tells of changes. Ends when ``should_stop`` says so.
    """
    seen: dict[Path, State] = {}
    given: dict[Path, State] = {}
    while not should_stop():
        jobs = {job.source: job for job in look()}
        now = {path: state for path in jobs if (state := _state(path)) is not None}
        ready = [path for path in now if seen.get(path) == now[path] != given.get(path)]
        given |= {path: now[path] for path in ready}
        seen = now
        if ready:
            yield [jobs[path] for path in ready]
        pause()


def _state(path: Path) -> State | None:
    try:
        status = path.stat()
    except OSError:  # gone again
        return None
    return status.st_size, status.st_mtime_ns
