"""Sums over the outcomes of a folder run."""

from __future__ import annotations

from collections import Counter

from restore.jobs.outcome import DISK_FULL, DONE, FAILED, STOPPED, Outcome


class FolderSums:
    """Counts outcomes, and keeps them if ``keeps``."""

    def __init__(self, keeps: bool):
        self.keeps = keeps
        self._count: Counter[str] = Counter()
        self._full = False
        self.kept: list[Outcome] = []
        self.seconds = 0.0

    def add(self, outcome: Outcome) -> None:
        self._count[outcome.status] += 1
        self._full = self._full or outcome.reason.startswith(DISK_FULL)
        self.seconds += outcome.seconds
        if self.keeps:
            self.kept.append(outcome)

    def __len__(self) -> int:
        return self._count.total()

    @property
    def has_failed(self) -> bool:
        return self._count[FAILED] > 0

    @property
    def status(self) -> str:
        """That of the run."""
        if self.has_failed:
            return FAILED
        return STOPPED if self._count[STOPPED] else DONE

    def why_ended(self) -> str:
        """State that a full disk has ended the run, and how much is left to do; empty if not."""
        if not self._full:
            return ""
        left = self._count[STOPPED] + self._count[FAILED]
        some = "1 file is" if left == 1 else f"{left} files are"
        return f"{DISK_FULL}: {some} left; make room, and the same call goes on from there"
