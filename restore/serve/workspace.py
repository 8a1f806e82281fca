"""The server's folder for uploads and results, which does not outlive it."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from pathlib import Path

from filelock import FileLock, Timeout

_PREFIX = "restore-serve-"
_LOCK = "lock"


class Workspace:
    """A folder in the temporary folder that only this user can read.

    Opening one removes those of servers that were killed: a living server holds the lock of its
    folder, and the system releases that of a dead one.
    """

    def __init__(self) -> None:
        remove_abandoned()
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self._lock = FileLock(self.path / _LOCK)
        self._lock.acquire(timeout=0)

    def new_folder(self) -> Path:
        """Make an empty folder with a name that cannot be guessed."""
        folder = self.path / secrets.token_hex(16)
        folder.mkdir()
        return folder

    def close(self) -> None:
        """Remove the folder and everything in it."""
        self._lock.release()
        shutil.rmtree(self.path, ignore_errors=True)


def remove_abandoned() -> None:
    """Remove folders of this user's servers that no longer run."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        # A link, or another user's folder, may have been placed here to mislead.
        if folder.is_symlink() or not folder.is_dir() or not _is_own(folder):
            continue
        # A server that is just starting has made its folder but not yet its lock.
        if not (folder / _LOCK).exists():
            continue
        try:
            with FileLock(folder / _LOCK, timeout=0):
                pass
        except (Timeout, OSError):
            continue
        shutil.rmtree(folder, ignore_errors=True)


def _is_own(folder: Path) -> bool:
    return not hasattr(os, "getuid") or folder.stat().st_uid == os.getuid()
