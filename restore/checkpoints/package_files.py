"""Files of a package, in a folder or in a packed ``.tgz``, read within fixed limits.

Nothing is unpacked to disk. A ``.tgz`` is read as a stream: once for the sizes of its members and
once for the requested bytes, so that memory holds one member at a time.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Protocol

from restore.errors import CheckpointError

MANIFEST = "model.json"
MAX_MANIFEST = 40 << 20  # bytes; that of an S-3 has 27,662,249
MAX_CONTAINERS = 1 << 21  # lists and objects in it; that of an S-3 has 326,698
MAX_UNPACKED = 1 << 29  # bytes; an M-3 in float32 has some 350 MB
MAX_MEMBERS = 4096
_BLOCK = 512  # bytes; the block size of tar
_PIECE = 1 << 20  # bytes


class PackageFiles(Protocol):
    """The files of a package, by their paths relative to its ``model.json``."""

    manifest: bytes

    def size(self, name: str) -> int | None:
        """Return the length of a file in bytes, None if it is missing. Raises `CheckpointError` for
        a path outside the package."""
        ...

    def read(self, names: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """Yield each named file once, in the order of the package. Raises `CheckpointError`."""
        ...


def open_package(path: Path) -> PackageFiles:
    """Open a folder that holds ``model.json`` (or ``models/model.json``), or a ``.tgz`` with one.

    Raises `CheckpointError`, in one line, for anything else and for a package that exceeds a limit.
    """
    return FolderFiles(path) if path.is_dir() else TarFiles(path)


def check_inside(name: str) -> None:
    """Raise `CheckpointError` for a path that is absolute, contains ``..``, or is not in plain
    form."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or any(c in name for c in "\\:\0"):
        raise CheckpointError(f"the path {name!r} leaves the package")


class FolderFiles:
    """A package unpacked in a folder."""

    def __init__(self, path: Path) -> None:
        places = [path / inner for inner in (".", "models", "package/models")]
        found = [place for place in places if (place / MANIFEST).is_file()]
        if not found:
            raise CheckpointError(f"the folder holds no {MANIFEST}")
        self.root = found[0].resolve()
        with _unreadable(MANIFEST), open(self.root / MANIFEST, "rb") as file:
            self.manifest = file.read(MAX_MANIFEST + 1)
        _check_manifest_size(len(self.manifest))

    def size(self, name: str) -> int | None:
        check_inside(name)
        path = self.root / name
        with _unreadable(name):
            if not path.is_file():
                return None
            if not path.resolve().is_relative_to(self.root):
                raise CheckpointError(f"the path {name!r} leaves the package through a link")
            return path.stat().st_size

    def read(self, names: Collection[str]) -> Iterator[tuple[str, bytes]]:
        for name in names:
            size = self.size(name)
            if size is None or size > MAX_UNPACKED:
                raise CheckpointError(f"{name} is missing or too large")
            with _unreadable(name), open(self.root / name, "rb") as file:
                content = file.read(size)
            yield name, content


class TarFiles:
    """A package in the form that `npm pack` writes: a gzip-compressed tar."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._sizes: dict[str, int] = {}
        manifests = []
        with _unpacking(path) as stream:
            for name, size in stream.members():
                if name in self._sizes:
                    raise CheckpointError(f"{name} is packed twice")
                self._sizes[name] = size
                if PurePosixPath(name).name == MANIFEST:
                    _check_manifest_size(size)
                    manifests.append((PurePosixPath(name).parent, stream.content()))
        if len(manifests) != 1:
            found = f"{len(manifests)} files" if manifests else "no file"
            raise CheckpointError(f"the package holds {found} named {MANIFEST}, expected one")
        self._root, self.manifest = manifests[0]

    def size(self, name: str) -> int | None:
        return self._sizes.get(self._member(name))

    def read(self, names: Collection[str]) -> Iterator[tuple[str, bytes]]:
        wanted = {self._member(name): name for name in names}
        with _unpacking(self.path) as stream:
            for member, _ in stream.members():
                name = wanted.pop(member, None)
                if name is not None:
                    yield name, stream.content()
                if not wanted:
                    return
        raise CheckpointError(f"{next(iter(wanted.values()))} is missing")

    def _member(self, name: str) -> str:
        check_inside(name)
        return str(self._root / name)


class _TarStream:
    """The members of an uncompressed tar stream, one after the other.

    `tarfile` holds extended headers of any size in memory. They store names of over 100 bytes,
    which no package of this kind contains, and are skipped here.
    """

    def __init__(self, file: gzip.GzipFile) -> None:
        self._file = file
        self._left = MAX_UNPACKED
        self._rest = 0  # unread bytes of the current member

    def members(self) -> Iterator[tuple[str, int]]:
        """Yield path and length of each regular file; `content` returns its bytes until the next
        step."""
        for _ in range(MAX_MEMBERS):
            block = self._take(_BLOCK)
            if not any(block):
                return
            name, size, regular = _parse_header(block)
            if size > self._left:
                raise CheckpointError(
                    f"{name} claims {size:,} bytes; packages of more than {MAX_UNPACKED:,} are "
                    "not read"
                )
            self._rest = size
            if regular:
                check_inside(name)
                yield str(PurePosixPath(name)), size
            self._skip(self._rest + -size % _BLOCK)
        raise CheckpointError(f"the package holds more than {MAX_MEMBERS} files")

    def content(self) -> bytes:
        size, self._rest = self._rest, 0
        return self._take(size)

    def _skip(self, size: int) -> None:
        while size:
            size -= len(self._take(min(size, _PIECE)))

    def _take(self, size: int) -> bytes:
        if size > self._left:
            raise CheckpointError(f"the package unpacks to more than {MAX_UNPACKED:,} bytes")
        self._left -= size
        data = self._file.read(size)
        if len(data) < size:
            raise EOFError
        return data


def _parse_header(block: bytes) -> tuple[str, int, bool]:
    """Return path, length in bytes, and whether it is a regular file. Raises `ValueError`."""
    if int(block[148:156].strip(b" \0"), 8) != sum(block[:148]) + 8 * 32 + sum(block[156:]):
        raise ValueError("wrong checksum")
    name = block[:100].partition(b"\0")[0]
    prefix = block[345:500].partition(b"\0")[0] if block[257:263] == b"ustar\0" else b""
    path = (prefix + b"/" + name if prefix else name).decode("utf-8", "backslashreplace")
    if block[124] & 0x80:  # the binary form, for 8 GiB and more
        size = int.from_bytes(block[125:136], "big")
    else:
        size = int(block[124:136].strip(b" \0") or b"0", 8)
    if size < 0:
        raise ValueError("negative size")
    return path, size, block[156:157] in (b"0", b"\0")


@contextmanager
def _unpacking(path: Path) -> Iterator[_TarStream]:
    try:
        with gzip.open(path, "rb") as file:
            yield _TarStream(file)
    except (EOFError, zlib.error, gzip.BadGzipFile, ValueError) as error:
        raise CheckpointError("is not a whole .tgz package: damaged, or cut short") from error
    except OSError as error:
        raise CheckpointError(f"cannot be read: {error.strerror or error}") from error


@contextmanager
def _unreadable(name: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CheckpointError(f"{name} cannot be read: {reason}") from error


def _check_manifest_size(size: int) -> None:
    if size > MAX_MANIFEST:
        raise CheckpointError(f"{MANIFEST} has more than {MAX_MANIFEST:,} bytes")
