"""Progress of a folder over the frames of all its files: a picture is one frame."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from restore.errors import ImageError
from restore.jobs.folder_plan import Job
from restore.jobs.outcome import DONE, STOPPED, Outcome
from restore.media.video.detect import is_clip


class FrameCount:
    """Counts finished frames, from any thread, and reports them with the number of all."""

    def __init__(self, report: Callable[[int, int], object]):
        self._report = report
        self._lock = threading.Lock()
        self._known: dict[Path, tuple[int, int]] = {}  # finished, all: of all but waiting pictures
        self._done = self._all = 0

    def expect(self, jobs: Iterable[Job]) -> None:
        """Add files that are about to be restored. Headers of clips are read for their counts."""
        for job in jobs:
            if is_clip(job.source):
                self._set(job.source, 0, frames_in(job.source), before=(0, 0))
            else:
                self._all += 1
        self._say()

    def frames(self, source: Path, done: int, total: int) -> None:
        """Take note of the finished frames of a clip or an animation."""
        self._set(source, done, max(done, total))
        self._say()

    def finished(self, outcome: Outcome) -> None:
        """Take note of a file that is done or will not be."""
        if outcome.status == STOPPED:
            return
        with self._lock:
            known = self._known.get(outcome.source, (0, 1))[1]
        count = outcome.frames if outcome.status == DONE else known
        self._set(outcome.source, count, count)
        with self._lock:
            del self._known[outcome.source]  # nothing more will be said about it
        self._say()

    def _set(self, source: Path, done: int, total: int, before: tuple[int, int] = (0, 1)) -> None:
        with self._lock:
            before = self._known.get(source, before)
            self._known[source] = done, total
            self._done += done - before[0]
            self._all += total - before[1]

    def _say(self) -> None:
        with self._lock:
            done, total = self._done, self._all
        self._report(done, total)


def frames_in(path: Path) -> int:
    """Return the number of frames that a clip's header states, or an estimate; 1 for other files
    and for clips that cannot be read, which will fail in their turn."""
    if not is_clip(path):
        return 1
    from restore.media.video.probe import stated_frames

    try:
        return max(1, stated_frames(path))
    except (ImageError, OSError):
        return 1
