"""Counts of a folder run."""

import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from restore.cli.flags import as_flags

if TYPE_CHECKING:
    from restore.jobs.outcome import Outcome


class Tally:
    """Outcomes of the files so far. ``total``: files found."""

    def __init__(self) -> None:
        self.total = 0
        self.frames = (0, 0)
        """Finished frames, and all: a picture is one."""
        self.count: Counter[str] = Counter()
        self.failures: dict[Path, Outcome] = {}
        self.notes: dict[str, tuple[Path, int]] = {}
        """Each note with the first file that it applies to, and how many others there are."""
        self.megapixels = 0.0
        self._began = time.monotonic()

    def add(self, outcome: "Outcome") -> None:
        self.count[outcome.status] += 1
        self.megapixels += outcome.megapixels
        for note in outcome.notes:
            first, others = self.notes.get(note, (outcome.source, -1))
            self.notes[note] = first, others + 1
        if outcome.status == "failed":
            self.failures[outcome.source] = outcome
        else:
            self.failures.pop(outcome.source, None)  # restored after an earlier failure

    def plan(self, outcome: "Outcome") -> None:
        """Count a file that was found."""
        self.total += 1

    @property
    def seen(self) -> int:
        return sum(self.count.values()) - self.count["stopped"]

    def all_frames(self, done: int, total: int) -> None:
        self.frames = done, total

    @property
    def has_clips(self) -> bool:
        return self.frames[1] > self.total

    def speed(self) -> str:
        seconds = max(time.monotonic() - self._began, 1e-3)
        pictures = self.count["done"] / seconds
        return f"{pictures:.2f} pictures/s, {self.megapixels / seconds:.2f} MP/s"

    def say_notes(self) -> list[str]:
        """Each note once, with the first file it applies to."""
        return [
            f"{first}{f' and {others} more' if others else ''}: {note}"
            for note, (first, others) in self.notes.items()
        ]

    def __str__(self) -> str:
        parts = [f"{self.count[status]} {status}" for status in ("done", "skipped", "failed")]
        left = self.count["stopped"]
        return ", ".join(p for p in (*parts, f"{left} left") if not p.startswith("0 ")) or "nothing"


def print_failure(outcome: "Outcome") -> None:
    """Print why a file failed."""
    reason = as_flags(outcome.reason)
    print(f"failed: {outcome.source}: {reason}", file=sys.stderr, flush=True)
