"""The work of one job: what the command does with a file, until it is cancelled."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

from restore.jobs.file_job import restore_file
from restore.serve.limits import JobCancelledError
from restore.serve.model_cache import ModelCache
from restore.serve.served_job import ServedJob, check_upload


class JobRunner:
    """Restores files by `restore_file`. ``pixels``: larger pictures and frames are refused."""

    def __init__(self, models: ModelCache, pixels: int):
        self._models = models
        self._pixels = pixels
        self._own = threading.local()
        self._hooked = False

    def run(self, job: ServedJob) -> None:
        """Write the result of a job. Raises as `restore_file` does, and `JobCancelledError`."""
        self._listen()
        wish, moving = job.wish, job.is_moving
        check_upload(job.source, self._pixels, moving)
        options: dict[str, Any] = dict(wish.for_pictures)
        if not moving:
            options["max_pixels"] = self._pixels
        restorer = self._models.get(wish.head, wish.quality, wish.strength)
        self._own.job = job
        try:
            _refuse_cancelled(job)
            outcome = restore_file(
                job.source,
                job.target,
                restorer,
                progress=_Progress(job),
                notify=partial(_note, job),
                **options,
            )
        finally:
            self._own.job = None
        height, width = outcome.size
        job.facts = {
            "model": outcome.model,
            "notes": list(outcome.notes),
            "width": width,
            "height": height,
            "frames": outcome.frames,
            "seconds": round(outcome.seconds, 3),
            "bytes": job.target.stat().st_size,
            "has_view": not moving,
        }

    def _listen(self) -> None:
        """Have every layer of every network look whether its job was cancelled.

        A tile may take a minute, and `Restorer` reports between tiles only.
        """
        if self._hooked:
            return
        from torch.nn.modules.module import register_module_forward_pre_hook

        def check(module: Any, inputs: Any) -> None:
            job = getattr(self._own, "job", None)
            if job is not None:
                _refuse_cancelled(job)

        register_module_forward_pre_hook(check)
        self._hooked = True


class _Progress:
    """Stores the progress of a job."""

    def __init__(self, job: ServedJob):
        self._job = job

    def __call__(self, done: float, total: int) -> None:
        _refuse_cancelled(self._job)
        self._job.done, self._job.total = done, total


def _note(job: ServedJob, text: str) -> None:
    """Keep the expected time; notes on the file, which begin with its name, follow at the end."""
    if not text.startswith(str(job.source)):
        job.message = text


def _refuse_cancelled(job: ServedJob) -> None:
    if job.stop.is_set():
        raise JobCancelledError("cancelled")
