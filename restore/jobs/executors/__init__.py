"""Ways to carry out the plan of a folder run: one module each, and one line in `EXECUTORS`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from restore.errors import RestoreError, UsageError
from restore.spelling import did_you_mean

if TYPE_CHECKING:
    from restore.jobs.file_stages import JobCallbacks
    from restore.jobs.folder_callbacks import FolderCallbacks
    from restore.jobs.folder_options import FolderOptions
    from restore.jobs.folder_work import FolderWork
    from restore.jobs.job_restorer import Used
    from restore.jobs.job_table import Jobs
    from restore.jobs.manifest import Manifest
    from restore.jobs.outcome import Outcome

LOCAL, RAY = "local", "ray"
EXECUTORS = {
    LOCAL: "restore.jobs.executors.local",
    RAY: "restore.jobs.executors.ray",
}
"""Each module has ``opened``, an `Opener`."""


class Executor(Protocol):
    """Restores files with a model that is loaded once, or once in each worker."""

    @property
    def used(self) -> Used:
        """Model, device, precision and backend."""
        ...

    def announce(self, jobs: Jobs) -> None:
        """Say how long the jobs take, if it is long."""
        ...

    def run(self, jobs: Jobs, manifest: Manifest, calls: JobCallbacks) -> Iterator[Outcome]:
        """Yield an outcome for every job, as soon as it is known, in any order. Results are
        recorded in the manifest before they appear. A file that fails does not stop the others.

        Raises `RestoreError` where no file could be restored.
        """
        ...


class StoppedError(RestoreError):
    """A run was stopped before its executor could work."""


Opener = Callable[
    ["FolderWork", "FolderOptions", "Sequence[Path]", "FolderCallbacks"],
    "AbstractContextManager[Executor]",
]
"""Maps the work, the options and the inputs of a folder run, and what it calls, to an `Executor`.
Raises `RestoreError` if the model cannot be loaded, `StoppedError` if ``should_stop`` comes first,
and `UsageError` for options that have no effect."""


def opener(name: str) -> Opener:
    """Return the executor of this name. Raises `UsageError`."""
    if name not in EXECUTORS:
        names = ", ".join(EXECUTORS)
        raise UsageError(f"executor is {name!r}; use {names}{did_you_mean(name, EXECUTORS)}")
    opened: Opener = import_module(EXECUTORS[name]).opened
    return opened
