"""Suppression of messages that C libraries print about damaged files and have no option to omit."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

# These log odd files. Without a handler, Python would print the records on standard error.
for _library in ("imagecodecs", "PIL", "tifffile"):
    logging.getLogger(_library).addHandler(logging.NullHandler())

_STDERR = 2
_lock = threading.Lock()
_silent: list[int] = []
"""Identifiers of the threads inside `silence_stderr`."""
_undo = ExitStack()
"""Restores the streams when the last of these threads leaves."""


@contextmanager
def silence_stderr() -> Iterator[None]:
    """Discard this thread's standard output and all output of C libraries on standard error.

    C libraries are silenced in all threads. Python's own output on standard error still arrives.
    """
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
    sys.stdout = _OtherThreadsOnly(sys.stdout)
    try:
        kept = os.dup(_STDERR)
    except OSError:  # standard error is closed
        return
    _undo.callback(os.close, kept)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDERR)
    os.close(nowhere)
    _undo.callback(os.dup2, kept, _STDERR)
    if _descriptor(sys.stderr) == _STDERR:
        _undo.callback(setattr, sys, "stderr", sys.stderr)
        sys.stderr = redirected = _PythonOnly(sys.stderr, kept)
        _undo.callback(setattr, redirected, "kept", None)


def _descriptor(stream: Any) -> int | None:
    try:
        return int(stream.fileno())
    except (AttributeError, OSError, ValueError):
        return None


class _OtherThreadsOnly:
    """Standard output that discards the text of silent threads."""

    def __init__(self, stream: Any):
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        if threading.get_ident() in _silent:
            return len(text)
        return int(self._stream.write(text))


class _PythonOnly:
    """Standard error for Python while descriptor 2 is redirected. ``kept`` is the original
    descriptor, or None once it has been restored."""

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
