"""Limits of the server, and the errors of requests that exceed them."""

from __future__ import annotations

from dataclasses import dataclass

from restore.errors import ImageError, ModelNotFoundError, RestoreError, UsageError


class QueueFullError(RestoreError):
    """More files than the queue holds; the same request may succeed later."""


class UploadTooLargeError(RestoreError):
    """A request body of more bytes than the server accepts."""


class UnknownJobError(RestoreError):
    """A job that never existed, was removed, or is no longer kept."""


class JobCancelledError(RestoreError):
    """A job that was cancelled before it was done."""


@dataclass(frozen=True)
class Limits:
    """Bounds on the memory and the disk that requests can use. Raises `UsageError` for a bound
    below 1."""

    upload_bytes: int = 512 * 2**20
    """Bytes of one upload."""
    pixels: int = 100_000_000
    """Pixels of a picture, or of one frame of a clip."""
    queue: int = 64
    """Files uploaded at the same time, waiting or in work."""
    keep_seconds: float = 3600
    """Time for which a finished job is kept."""
    keep_bytes: int = 4 * 2**30
    """Bytes of all finished jobs; the oldest are removed first."""
    queue_bytes: int = 8 * 2**30
    """Bytes of all files being uploaded, waiting or in work. A single upload of `upload_bytes` is
    accepted all the same."""
    models: int = 2
    """Models in memory; the least recently used is dropped first."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 1:
                raise UsageError(f"{name} is {value}; it must be at least 1")


STATUS: tuple[tuple[type[Exception], int], ...] = (
    (UnknownJobError, 404),
    (JobCancelledError, 409),
    (UploadTooLargeError, 413),
    (QueueFullError, 503),
    (UsageError, 400),
    (ModelNotFoundError, 404),
    (ImageError, 422),
    (RestoreError, 500),
)
"""HTTP status of each error; the first class that matches counts."""


def status_of(error: Exception) -> int:
    """Return the HTTP status that tells of an error."""
    return next((status for kind, status in STATUS if isinstance(error, kind)), 500)
