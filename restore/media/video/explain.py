"""What FFmpeg's libraries complain about, as errors a user may meet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import av.error

from restore.errors import ImageError


@contextmanager
def explained(subject: object, trouble: str) -> Iterator[None]:
    """Turn an error of FFmpeg's into an `ImageError`: "SUBJECT: TROUBLE: what FFmpeg says"."""
    try:
        yield
    except ImageError:
        raise
    except av.error.FFmpegError as error:
        raise ImageError(f"{subject}: {trouble}: {error.strerror}") from error
    except (ValueError, OverflowError, OSError) as error:  # of PyAV itself, and of its files
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"{subject}: {trouble}: {reason}") from error
