"""Files that appear complete or not at all, and their hashes."""

from __future__ import annotations

import errno
import functools
import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from restore.errors import RestoreError

_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


@contextmanager
def atomic_path(
    path: Path, mark: str = "", ready: Callable[[Path], object] = lambda temporary: None
) -> Iterator[Path]:
    """Provide a temporary path next to ``path``, which replaces ``path`` when the block succeeds.

    Its name contains ``mark``; ``ready`` is called with it when the file is complete and on disk.
    On any exception, including Ctrl-C, the temporary file is removed and ``path`` is unchanged.
    """
    path = path.resolve()  # a link stays, and its target is replaced
    temporary = path.with_name(f".{mark}{os.urandom(8).hex()}.part")
    try:
        temporary.touch()
        mode = (path if path.exists() else temporary).stat().st_mode
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        # Some writers make private files. This comes last: a file that replaces a read-only one
        # cannot be opened for writing afterwards.
        temporary.chmod(mode)
        ready(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def is_full_disk(error: BaseException | None) -> bool:
    """Return whether an error, or one that it was raised from, is that of a full disk or quota."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        error = error.__cause__ or error.__context__
    return False


def check_target(path: Path, overwrite: bool, error: type[RestoreError]) -> None:
    """Raise ``error`` if a file could not be written, before any work is done."""
    if path.is_dir():
        raise error(f"{path}: is a folder; name the output file")
    if not path.parent.is_dir():
        raise error(f"{path}: folder {path.parent} does not exist")
    if not os.access(path.parent, os.W_OK):
        raise error(f"{path}: folder {path.parent} may not be written to")
    if os.path.lexists(path) and not overwrite:
        raise error(f"{path}: exists already; give overwrite=True to replace it")


def ignores_case(folder: Path) -> bool:
    """Return whether names in a folder that differ only in case are one file.

    Looks for a file by its name in the other case. Nothing is written. For a folder that does not
    exist, or holds no name with letters, the answer is that of its parent.
    """
    try:
        return _finds_other_case(folder)
    except (OSError, LookupError):
        return folder.parent != folder and ignores_case(folder.parent)


@functools.lru_cache(maxsize=1024)  # the answer does not change; errors are not cached
def _finds_other_case(folder: Path) -> bool:
    """Raises `OSError`, or `LookupError` if the folder holds no name with letters."""
    with os.scandir(folder) as entries:
        for entry in itertools.islice(entries, 99):
            other = entry.name.swapcase()
            if other != entry.name:
                try:
                    return os.path.samefile(entry.path, folder / other)
                except OSError:
                    return False
    raise LookupError("no name with letters")


@contextmanager
def claimed(
    folder: Path, lock: str, error: type[RestoreError], *, timeout: float = 0.0, hint: str = ""
) -> Iterator[None]:
    """Provide a folder of results, created if needed, to one run at a time, which locks the file
    ``lock`` in it. Raises ``error`` if another run holds it for ``timeout`` seconds, with a
    ``hint``, or if it cannot be written to."""
    from filelock import FileLock, Timeout  # most commands lock nothing

    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = FileLock(folder / lock)
        held.acquire(timeout=timeout)
    except Timeout:
        raise error(f"{folder}: another run is going on in this folder{hint}") from None
    except (OSError, NotImplementedError) as reason:  # the latter: a file system without locks
        why = reason.strerror if isinstance(reason, OSError) else "it supports no locks"
        raise error(f"{folder}: cannot be a run's folder: {why}") from reason
    try:
        yield
    finally:
        held.release()


def sha256_of(path: Path) -> str:
    """Return the hex digest of a file."""
    with open(path, "rb") as file:
        return sha256_of_stream(file)


def sha256_of_stream(stream: BinaryIO) -> str:
    """Return the hex digest of the rest of a stream."""
    import hashlib  # loads OpenSSL, which would be a tenth of the time of `restore --help`

    digest = hashlib.sha256()
    while chunk := stream.read(1 << 20):
        digest.update(chunk)
    return digest.hexdigest()
