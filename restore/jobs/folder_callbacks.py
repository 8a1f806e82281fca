"""Functions that a folder run calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from restore.jobs.job_restorer import Notify
from restore.jobs.outcome import Outcome


@dataclass(frozen=True)
class FolderCallbacks:
    """As `restore.jobs.folder_job.restore_folder` describes them."""

    progress: Callable[[int, int], object] = lambda done, total: None
    on_outcome: Callable[[Outcome], object] = lambda outcome: None
    on_frames: Callable[[Path, int, int], None] = lambda source, done, total: None
    on_tiles: Callable[[Path, float, int], None] = lambda source, done, total: None
    on_all_frames: Callable[[int, int], object] = lambda done, total: None
    notify: Notify | None = None
    should_stop: Callable[[], bool] = lambda: False

    @classmethod
    def of(cls, *functions: Any) -> FolderCallbacks:
        """Take functions in the order of the fields; None is the default."""
        names = (field.name for field in fields(cls))
        given = zip(names, functions, strict=True)
        return cls(**{name: function for name, function in given if function is not None})
