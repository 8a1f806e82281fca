"""An evaluation as text, as values, and as a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from restore.errors import RestoreError
from restore.evaluate.protocol import COMMON, Metric
from restore.evaluate.report import Row, Subject, means
from restore.files import atomic_path

_PICTURE, _SUBJECT, _FIGURE = 24, 20, 9  # least widths of the columns


@dataclass(frozen=True)
class Table:
    """Format of the rows of these subjects and metrics; ``conditions`` holds for all of them."""

    task: str
    subjects: Sequence[Subject]
    metrics: Sequence[Metric]
    conditions: str = COMMON

    def header(self) -> str:
        names = (f"{m.name:>{_width(m)}}" for m in self.metrics)
        return " ".join((f"{'picture':{_PICTURE}}", f"{'by':{self._subject_width}}", *names))

    def line(self, row: Row) -> str:
        """Return a row, under `header`."""
        figures = (f"{row.values[m.name]:{_width(m)}.{m.digits}f}" for m in self.metrics)
        names = (f"{row.picture:{_PICTURE}}", f"{row.subject:{self._subject_width}}")
        return " ".join((*names, *figures))

    def summary(self, rows: Sequence[Row]) -> str:
        """Return the means, and how all figures were measured."""
        return "\n".join(
            (
                *map(self.line, means(rows)),
                *(f"{subject.name}: {subject.how}" for subject in self.subjects),
                *(f"{metric.name}: {metric.protocol}" for metric in self.metrics),
                f"all: {self.conditions}",
            )
        )

    def to_dict(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Return ``means`` and ``rows`` with their protocols; infinite figures stay floats."""
        return {
            "task": self.task,
            "conditions": self.conditions,
            "subjects": {s.name: s.how for s in self.subjects},
            "metrics": {m.name: m.protocol for m in self.metrics},
            "means": [{"subject": row.subject, **row.values} for row in means(rows)],
            "rows": [
                {"picture": row.picture, "subject": row.subject, **row.values} for row in rows
            ],
        }

    def write_csv(self, rows: Sequence[Row], path: Path) -> None:
        """Write one line per row, in full precision, ``inf`` for infinite; the last column is the
        protocol.

        Raises `RestoreError` if the file cannot be written; an existing file is then unchanged.
        """
        how = {subject.name: subject.how for subject in self.subjects}
        measures = "; ".join(f"{m.name}: {m.protocol}" for m in self.metrics)
        try:
            with (
                atomic_path(path) as temporary,
                open(temporary, "w", newline="", encoding="utf-8") as file,
            ):
                writer = csv.writer(file)
                writer.writerow(
                    ["picture", "subject", *(metric.name for metric in self.metrics), "protocol"]
                )
                for row in rows:
                    figures = [repr(row.values[metric.name]) for metric in self.metrics]
                    protocol = f"{how[row.subject]}; {measures}; {self.conditions}"
                    writer.writerow([row.picture, row.subject, *figures, protocol])
        except OSError as error:
            raise RestoreError(f"{path}: cannot be written: {error.strerror or error}") from error

    @property
    def _subject_width(self) -> int:
        return max(_SUBJECT, *(len(subject.name) for subject in self.subjects))


def _width(metric: Metric) -> int:
    return max(_FIGURE, len(metric.name))
