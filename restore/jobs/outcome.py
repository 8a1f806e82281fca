"""The result of restoring a file or a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DONE, SKIPPED, FAILED, STOPPED, PLANNED = "done", "skipped", "failed", "stopped", "planned"
DISK_FULL = "the disk is full"
"""Beginning of the reason of a file that did not fit on the disk, and reason of those after it."""


@dataclass(frozen=True)
class Outcome:
    """The result for one input file, or for a folder and all files in it."""

    source: Path
    """The input."""
    target: Path
    """The output."""
    status: str = DONE
    """`DONE`; `SKIPPED` or `FAILED` for a ``reason``; `STOPPED` before it was done; `PLANNED` in a
    dry run. A folder has failed if one of its files has."""
    reason: str = ""
    """Why the file was skipped or failed, or why the folder run ended early, in one line."""
    notes: tuple[str, ...] = ()
    """Parts of the input that the output cannot keep, one sentence each."""
    size: tuple[int, int] = (0, 0)
    """(height, width) in pixels; (0, 0) if the file was not restored."""
    borders: tuple[Sequence[int], Sequence[int]] = ((), ())
    """Of a picture in a folder: where tiles and windows meet, by rows and by columns, as indices
    of the pixel after the border."""
    frames: int = 1
    """Pictures in the output: 1, or the frames of a clip or an animation."""
    resumed: int = 0
    """Frames that an interrupted run had finished before."""
    seconds: float = 0.0
    """Time to restore and write."""
    model: str = ""
    """Name of the model; empty if none was loaded."""
    device: str = ""
    """Device on which the model ran, such as "cpu" or "cuda"."""
    precision: str = ""
    """"float32" or "bfloat16"."""
    backend: str = ""
    """Backend that ran the model."""
    encoding: Mapping[str, Any] = field(default_factory=dict)
    """Of a clip: ``codec`` (FFmpeg's encoder), ``pix_fmt`` and ``encoder_options``."""
    files: tuple[Outcome, ...] = ()
    """Of a folder: one outcome for each file, in order."""
    passed_over: tuple[Path, ...] = ()
    """Of a folder: files that are neither pictures nor clips."""

    @property
    def megapixels(self) -> float:
        """Millions of pixels restored, of all frames or files."""
        own = self.size[0] * self.size[1] * self.frames / 1e6
        return own + sum(file.megapixels for file in self.files)

    def count(self, status: str) -> int:
        """Count the files of a folder with this status."""
        return sum(file.status == status for file in self.files)
