"""Libraries that print what is wrong with a file, and cannot be told not to."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

# These report oddities as log records, which reach the terminal where nobody listens.
for _library in ("imagecodecs", "PIL", "tifffile"):
    logging.getLogger(_library).addHandler(logging.NullHandler())

_STDERR = 2
_lock = threading.Lock()
_silent: list[int] = []
"""The threads that are to print nothing."""
_undo = ExitStack()
"""What ends the silence."""


@contextmanager
def quiet() -> Iterator[None]:
    """Meanwhile this thread prints nothing on standard output, and no library in C anything on
    standard error, from whatever thread. What Python prints there arrives as ever."""
    thread = threading.get_ident()
    with _lock:
        _silent.append(thread)
        if len(_silent) == 1:
            _begin()
    try:
        yield
    finally:
        with _lock:
            _silent.remove(thread)
            if not _silent:
                _undo.close()


def _begin() -> None:
    _undo.callback(setattr, sys, "stdout", sys.stdout)
    sys.stdout = _ForOthers(sys.stdout)
    try:
        kept = os.dup(_STDERR)
    except OSError:  # there is none
        return
    _undo.callback(os.close, kept)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDERR)
    os.close(nowhere)
    _undo.callback(os.dup2, kept, _STDERR)
    if _descriptor(sys.stderr) == _STDERR:
        _undo.callback(setattr, sys, "stderr", sys.stderr)
        sys.stderr = aloud = _Aloud(sys.stderr, kept)
        _undo.callback(setattr, aloud, "kept", None)


def _descriptor(stream: Any) -> int | None:
    try:
        return int(stream.fileno())
    except (AttributeError, OSError, ValueError):
        return None


class _ForOthers:
    """Standard output, but for silent threads."""

    def __init__(self, stream: Any):
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        if threading.get_ident() in _silent:
            return len(text)
        return int(self._stream.write(text))


class _Aloud:
    """Standard error as it was: ``kept`` is where it goes, None when the silence has ended."""

    def __init__(self, stream: Any, kept: int):
        self._stream = stream
        self.kept: int | None = kept

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with _lock:
            if self.kept is None:
                return int(self._stream.write(text))
            os.write(self.kept, text.encode(self._stream.encoding, "backslashreplace"))
            return len(text)
