"""Progress of a folder run: a bar on a terminal, lines in a pipe."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from restore.cli.tally import Tally

if TYPE_CHECKING:
    from restore.jobs.outcome import Outcome

SPEAK_EVERY = 5.0
"""Seconds between two lines without a terminal to draw a bar on."""


class FolderDisplay(Protocol):
    """Shows an outcome, or the frames of a clip."""

    def outcome(self, outcome: "Outcome") -> None: ...

    def frames(self, source: Path, done: int, total: int) -> None: ...


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

    def outcome(self, outcome: "Outcome") -> None:
        self._show(outcome.source.name, 0.0)

    def frames(self, source: Path, done: int, total: int) -> None:
        self._show(f"{source.name} {done}/{total}", done / max(total, 1))

    def _show(self, what: str, part: float) -> None:
        tally = self._tally
        files = (tally.seen + part, tally.total)
        completed, total = tally.frames if tally.has_clips else files
        self._update(
            completed=completed,
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
