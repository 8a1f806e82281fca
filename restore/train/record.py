"""What a run writes down for people: ``log.csv``, a validation picture, TensorBoard if wanted."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from restore import files
from restore.errors import TrainingError
from restore.files import atomic_path
from restore.train.loop import Progress
from restore.train.validate import write_sheet

LOG = "log.csv"
SHEET = "validation.png"
VALIDATION = "validation_psnr"
_COLUMNS = [*(field.name for field in fields(Progress)), VALIDATION]


class Record:
    """The files of one run's folder; a resumed run goes on in them from ``step``.

    ``tensorboard`` adds event files in the folder ``tensorboard``. Raises `TrainingError`.
    """

    def __init__(self, folder: Path, step: int, tensorboard: bool = False):
        self.folder = folder
        self._board = _summary_writer(folder / "tensorboard", step) if tensorboard else None
        self._log = folder / LOG
        with self._naming():
            self._begin(step)

    def add(self, row: Progress, looked: tuple[float, np.ndarray] | None) -> None:
        """A row of the log; ``looked`` is what `Validation.look` returned at this step, if it did.

        Each row is on the disk when this returns.
        """
        values = asdict(row) | {VALIDATION: looked[0] if looked else ""}
        with self._naming(), open(self._log, "a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow([values[name] for name in _COLUMNS])
        if looked:
            write_sheet(looked[1], self.folder / SHEET)
        if self._board is not None:
            for name in ("loss", "psnr", "learning_rate", "patches_per_second", "waiting"):
                self._board.add_scalar(f"train/{name}", values[name], row.step)
            if looked:
                self._board.add_scalar("validation/psnr", looked[0], row.step)
                self._board.add_image("validation", looked[1], row.step, dataformats="HWC")
            self._board.flush()

    def _begin(self, step: int) -> None:
        """A header, and of an earlier log the rows that the state taken up has seen.

        A run that died after its last save has rows of steps that are about to be made again.
        """
        rows = []
        if step and self._log.exists():
            with open(self._log, newline="", encoding="utf-8") as file:
                rows = [row for row in csv.DictReader(file) if int(row["step"] or 0) <= step]
        with atomic_path(self._log) as partial, open(partial, "w", newline="") as file:
            writer = csv.DictWriter(file, _COLUMNS, restval="", extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)

    @contextmanager
    def _naming(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, KeyError, csv.Error) as error:
            reason = getattr(error, "strerror", None) or error
            raise TrainingError(f"{self._log}: cannot be written: {reason}") from error


def claimed(folder: Path) -> AbstractContextManager[None]:
    """A run's folder, made if need be, for this run alone: two would delete each other's states.

    Raises `TrainingError` where another one holds it, or it cannot be written to.
    """
    return files.claimed(folder, ".lock", TrainingError)


def _summary_writer(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise TrainingError("TensorBoard is not installed: pip install 'restore[train]'") from None
    return SummaryWriter(str(folder), purge_step=step + 1)
