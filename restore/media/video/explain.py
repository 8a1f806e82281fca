"""What FFmpeg's libraries complain about, as errors a user may meet."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import av.error

from restore.errors import ImageError

_FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))


@contextmanager
def explained(subject: object, trouble: str) -> Iterator[None]:
    """Turn an error of FFmpeg's into an `ImageError`: "SUBJECT: TROUBLE: what FFmpeg says"."""
    try:
        yield
    except ImageError:
        raise
    except av.error.FFmpegError as error:
        raise ImageError(f"{subject}: {trouble}: {reason(error)}") from error
    except (ValueError, OverflowError, OSError) as error:  # of PyAV itself, and of its files
        raise ImageError(f"{subject}: {trouble}: {reason(error)}") from error


def reason(error: Exception) -> str:
    """What an error says, and what helps where there is no more room."""
    said = getattr(error, "strerror", None) or str(error)
    return f"{said}; make room" if getattr(error, "errno", None) in _FULL else said
