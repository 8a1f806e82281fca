"""The log of a run: ``log.csv``, a sheet of validation pictures, TensorBoard on request."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from restore import files
from restore.errors import TrainingError, pip_install
from restore.files import atomic_path
from restore.train.loop import Progress
from restore.train.validate import write_sheet

LOG = "log.csv"
SHEET = "validation.png"
VALIDATION = "validation_psnr"
_COLUMNS = [*(field.name for field in fields(Progress)), VALIDATION]


class Record:
    """The log in the folder of a run. A resumed run appends to it from ``step`` on.

    ``tensorboard`` adds event files in the folder ``tensorboard``. Raises `TrainingError`.
    """

    def __init__(self, folder: Path, step: int, tensorboard: bool = False):
        self.folder = folder
        self.first_psnr: float | None = None
        """Validation PSNR in dB before the first step; None if there was none."""
        self._board = _summary_writer(folder / "tensorboard", step) if tensorboard else None
        self._log = folder / LOG
        with self._naming():
            self._begin(step)

    def begin(self, steps: int, looked: tuple[float, np.ndarray]) -> None:
        """Write the validation before step 1 of ``steps``; ``looked`` is as in `add`."""
        self.first_psnr = looked[0]
        self._write({"step": 0, "steps": steps, "patches": 0}, looked)

    def add(self, row: Progress, looked: tuple[float, np.ndarray] | None) -> None:
        """Write a row of the log, which is on the disk when this returns.

        ``looked`` is the result of `Validation.look` at this step, if there was a validation.
        """
        self._write(asdict(row), looked)

    def _write(self, values: dict[str, Any], looked: tuple[float, np.ndarray] | None) -> None:
        if looked:
            values[VALIDATION] = looked[0]
        with self._naming(), open(self._log, "a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow([values.get(name, "") for name in _COLUMNS])
        if looked:
            write_sheet(looked[1], self.folder / SHEET)
        if self._board is not None:
            step = values["step"]
            for name in ("loss", "psnr", "learning_rate", "patches_per_second", "waiting"):
                if name in values:
                    self._board.add_scalar(f"train/{name}", values[name], step)
            if looked:
                self._board.add_scalar("validation/psnr", looked[0], step)
                self._board.add_image("validation", looked[1], step, dataformats="HWC")
            self._board.flush()

    def _begin(self, step: int) -> None:
        """Write a header, and the rows of an earlier log up to ``step``.

        A run that died after its last save has rows of steps that are about to be repeated.
        """
        rows = []
        if step and self._log.exists():
            with open(self._log, newline="", encoding="utf-8") as file:
                rows = [row for row in csv.DictReader(file) if int(row["step"] or 0) <= step]
        if rows and rows[0]["step"] == "0" and rows[0].get(VALIDATION):
            self.first_psnr = float(rows[0][VALIDATION])
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
    """Lock the folder of a run, creating it if it is missing.

    Two runs in one folder would delete each other's states. Raises `TrainingError` where another
    run holds the folder, or it cannot be written to.
    """
    return files.claimed(folder, ".lock", TrainingError)


def _summary_writer(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise TrainingError(f"TensorBoard is not installed: {pip_install('train')}") from None
    return SummaryWriter(str(folder), purge_step=step + 1)
