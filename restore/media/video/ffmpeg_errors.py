"""Errors of FFmpeg's libraries, converted to `ImageError`."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import av.error

from restore.errors import ImageError

_FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))


@contextmanager
def ffmpeg_errors(subject: object, trouble: str) -> Iterator[None]:
    """Convert an error of FFmpeg into an `ImageError`: "SUBJECT: TROUBLE: text of FFmpeg"."""
    try:
        yield
    except ImageError:
        raise
    except av.error.FFmpegError as error:
        raise ImageError(f"{subject}: {trouble}: {reason(error)}") from error
    except (ValueError, OverflowError, OSError) as error:  # raised by PyAV and by files
        raise ImageError(f"{subject}: {trouble}: {reason(error)}") from error


def reason(error: Exception) -> str:
    """Return an error's text, with advice if the disk is full."""
    said = getattr(error, "strerror", None) or str(error)
    return f"{said}; make room" if getattr(error, "errno", None) in _FULL else said
