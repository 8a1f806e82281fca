"""Files that arrive in a watched folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from restore.jobs.folder_plan import Job

State = tuple[int, int]


def settled(
    look: Callable[[], Iterable[Job]], pause: Callable[[], object], should_stop: Callable[[], bool]
) -> Iterator[list[Job]]:
    """Yield jobs whose inputs are complete: two looks with a pause between them find the same size
    and time. An input that changes later is yielded again. Ends when ``should_stop`` returns True.

    ``look`` makes the plan of the files present. Polling also works on network file systems, which
    do not report changes.
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
