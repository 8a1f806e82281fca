"""Progress of a folder run: a bar on a terminal, lines in a pipe."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from restore.cli.console import SPEAK_EVERY
from restore.cli.tally import Tally

if TYPE_CHECKING:
    from restore.jobs.outcome import Outcome


class FolderDisplay(Protocol):
    """Shows an outcome, the frames of a clip or the tiles of a picture."""

    def outcome(self, outcome: "Outcome") -> None: ...

    def frames(self, source: Path, done: int, total: int) -> None: ...

    def tiles(self, source: Path, done: float, total: int) -> None: ...


@contextmanager
def displayed(head: str, quiet: bool, tally: Tally) -> Iterator[FolderDisplay]:
    """Show progress until the block ends."""
    if not quiet and sys.stderr.isatty():
        with _bar(head, tally) as display:
            yield display
    else:
        yield _Lines(head, tally, None if quiet else SPEAK_EVERY)


class _Lines:
    def __init__(self, head: str, tally: Tally, every: float | None):
        self._head, self._tally, self._every = head, tally, every
        self._spoken = time.monotonic()

    def outcome(self, outcome: "Outcome") -> None:
        self._say(str(outcome.source))

    def frames(self, source: Path, done: int, total: int) -> None:
        self._say(f"{source}, frame {done} of {total}")

    def tiles(self, source: Path, done: float, total: int) -> None:
        self._say(f"{source}, {done / total:.0%}")

    def _say(self, what: str) -> None:
        if self._every is None or time.monotonic() - self._spoken < self._every:
            return
        self._spoken = time.monotonic()
        tally = self._tally
        done, total = tally.frames
        frames = f", {done} of {total} frames" if tally.has_clips else ""
        text = f"{self._head}: {tally.seen} of {tally.total}, {what}{frames}, {tally.speed()}"
        print(text, file=sys.stderr, flush=True)


class _Bar:
    def __init__(self, head: str, tally: Tally, update: Callable[..., None]):
        self._head, self._tally, self._update = head, tally, update
        self._parts: dict[Path, float] = {}
        """Of the files in work, unless their frames are counted."""

    def outcome(self, outcome: "Outcome") -> None:
        self._parts.pop(outcome.source, None)
        self._show(outcome.source.name)

    def frames(self, source: Path, done: int, total: int) -> None:
        if not self._tally.has_clips:
            self._parts[source] = done / max(total, 1)
        self._show(f"{source.name} {done}/{total}")

    def tiles(self, source: Path, done: float, total: int) -> None:
        self._parts[source] = done / total
        self._show(f"{source.name} {done / total:.0%}")

    def _show(self, what: str) -> None:
        tally = self._tally
        files = (tally.seen, tally.total)
        completed, total = tally.frames if tally.has_clips else files
        self._update(
            completed=completed + sum([*self._parts.values()]),
            total=total,
            description=f"{self._head} {what}",
            speed=tally.speed(),
        )


@contextmanager
def _bar(head: str, tally: Tally) -> Iterator[FolderDisplay]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    display = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}", markup=False),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        speed_estimate_period=3600,
    )
    with display:
        bar = display.add_task(head, total=None, speed="")
        yield _Bar(head, tally, lambda **values: display.update(bar, **values))
