"""Objects of stores that fsspec knows, such as s3://, gs://, memory:// and, to read, https://."""

from __future__ import annotations

import os
import re
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from restore.errors import ImageError, RestoreError, UsageError, pip_install
from restore.files import is_full_disk
from restore.redaction import redacted

T = TypeVar("T")
_URL = re.compile(r"[a-z][a-z0-9+.-]+:/")
_ONE_SLASH = re.compile(r"^([a-z][a-z0-9+.-]+):/(?=[^/])")
_WHOLE = {"s3", "s3a", "gs", "gcs", "az", "abfs", "memory"}
"""Stores in which an object appears when all of it has arrived."""
_TRIES = 5
_FIRST_PAUSE = 0.2
"""Seconds before the second try; each pause is twice the one before."""
_FINAL = (FileNotFoundError, PermissionError, IsADirectoryError, NotImplementedError, ValueError)


class RemotePath(type(Path())):  # type: ignore[misc]
    """A URL where outcomes have paths. Query and password are not shown."""

    def __str__(self) -> str:
        return redacted(as_url(super().__str__()))


@dataclass(frozen=True)
class StoredObject:
    """``place``: below the folder that was listed. ``version``: size in bytes, and the ETag or what
    the store has in its place; equal for unchanged objects. ``is_named``: by the URL itself."""

    url: str
    place: str
    version: list[Any]
    is_named: bool = False

    @property
    def size(self) -> int:
        return int(self.version[0] or 0)


def is_remote(path: object) -> bool:
    """Whether a path or text is the URL of a store. One letter is a drive."""
    return _URL.match(str(path)) is not None


def as_url(path: object) -> str:
    """Return a URL; `Path` makes one slash of two."""
    url = _ONE_SLASH.sub(r"\1://", str(path), count=1)
    return re.sub(r"^file://(?=[^/])", "file:///", url)


class Store:
    """The file system of a URL.

    Raises `RestoreError` where a package is missing, and `UsageError` for an unknown kind of store.
    """

    def __init__(self, url: str):
        self.url = as_url(url).rstrip("/")
        try:
            import fsspec

            self._files, self._root = fsspec.core.url_to_fs(self.url)
        except ImportError as error:
            # fsspec states in a sentence which package a store needs.
            needs = f"needs an extra: {pip_install('remote')}" if error.name == "fsspec" else error
            raise RestoreError(f"{redacted(self.url)}: {needs}") from None
        except ValueError as error:
            raise UsageError(f"{redacted(self.url)}: {error}") from None
        self._protocol = self.url.partition("://")[0]

    @property
    def address(self) -> str:
        """The URL in the form of `StoredObject.url`."""
        return str(self._files.unstrip_protocol(self._root)).rstrip("/")

    def objects(self, recursive: bool, without: str = "") -> Iterator[StoredObject]:
        """Yield the objects below the URL, or the one that it names, folder by folder. Hidden
        folders and the one of the address ``without`` are left out. Raises `ImageError` if there is
        no such object or folder, and `RestoreError` if they cannot be listed."""
        try:
            yield from self._objects(recursive, without)
        except RestoreError:
            raise
        except FileNotFoundError:
            raise ImageError(f"{redacted(self.url)}: no such object or folder") from None
        except Exception as error:  # stores' clients have no class in common
            reason = redacted(str(error) or type(error).__name__)
            raise RestoreError(f"{redacted(self.url)}: cannot be listed: {reason}") from error

    def _objects(self, recursive: bool, without: str) -> Iterator[StoredObject]:
        root, url_of = str(self._root), self._files.unstrip_protocol
        is_web = self._protocol in ("http", "https")
        if is_web or retried(lambda: self._files.isfile(root)):
            version = version_in(retried(lambda: self._files.info(root)))
            name = unquote(urlsplit(root).path) if is_web else root  # a signed query is no name
            yield StoredObject(url_of(root), name.rpartition("/")[2], version, is_named=True)
            return
        for path, version in self._walk(recursive, without):
            yield StoredObject(url_of(path), path[len(root) :].lstrip("/"), version)

    def _walk(self, recursive: bool, without: str) -> Iterator[tuple[str, list[Any]]]:
        """Yield path and version of each object. fsspec's own walk leaves out folders that cannot
        be listed, without a word."""
        waiting = [str(self._root)]
        while waiting:
            folder = waiting.pop()
            # Without the cache, listings of all folders would stay in memory.
            self._files.invalidate_cache()
            listed = retried(partial(self._files.ls, folder, detail=True))
            files: dict[str, list[Any]] = {}
            within: list[str] = []
            for one in listed:
                path = str(one["name"]).rstrip("/")
                if path == folder.rstrip("/"):  # an object that stands for the folder
                    continue
                if one["type"] != "directory":
                    files[path] = version_in(one)
                elif not path.rpartition("/")[2].startswith("."):
                    within.append(path)
            yield from sorted(files.items())
            if recursive:
                kept = [one for one in within if self._files.unstrip_protocol(one) != without]
                waiting += sorted(kept, reverse=True)

    def folder(self, place: str) -> dict[str, list[Any]]:
        """Return the versions of the objects in a folder below the URL, by name."""
        try:
            self._files.invalidate_cache()
            found = retried(lambda: self._files.ls(self._path(place), detail=True))
        except FileNotFoundError:
            return {}
        return {str(one["name"]).rpartition("/")[2]: version_in(one) for one in found}

    def get(self, url: str, target: Path) -> None:
        """Download an object, whole or not at all. Raises `OSError`."""
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            retried(lambda: self._files.get_file(self._files._strip_protocol(url), str(target)))
        except BaseException:
            target.unlink(missing_ok=True)
            raise

    def put(self, source: Path, place: str) -> None:
        """Upload a file, whole or not at all. Raises `OSError`."""
        path = self._path(place)
        if self._protocol in _WHOLE:
            retried(lambda: self._files.put_file(str(source), path))
            return
        folder, _, name = path.rpartition("/")
        self._files.makedirs(folder, exist_ok=True)
        temporary = f"{folder}/.{secrets.token_hex(8)}-{name}.part"
        try:
            retried(lambda: self._files.put_file(str(source), temporary))
            self._files.mv(temporary, path)
        finally:
            if self._files.exists(temporary):
                self._files.rm_file(temporary)

    def lines(self, place: str) -> Iterator[bytes]:
        """Yield the lines of an object, which is not held in memory. Raises `OSError`."""
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, "copy")
            self.get(self.url_of(place), copy)
            with open(copy, "rb") as file:
                yield from file

    def remove(self, place: str) -> None:
        """Remove an object, if it is there."""
        if self._files.exists(self._path(place)):
            self._files.rm_file(self._path(place))

    def url_of(self, place: str) -> str:
        return f"{self.url}/{place}"

    def _path(self, place: str) -> str:
        return f"{str(self._root).rstrip('/')}/{place}".rstrip("/")


def version_in(info: dict[str, Any]) -> list[Any]:
    """Return `StoredObject.version` from what fsspec says about an object."""
    names = ("ETag", "etag", "md5Hash", "LastModified", "mtime", "created")
    tag = next((info[name] for name in names if info.get(name)), "")
    return [info.get("size"), str(tag).strip('"')]


def retried(call: Callable[[], T]) -> T:
    """Call again after errors that may pass, a few times with growing pauses."""
    for attempt in range(_TRIES):
        try:
            return call()
        except _FINAL:
            raise
        except Exception as error:  # stores' clients have no class in common
            if attempt + 1 == _TRIES or is_full_disk(error):
                raise
            time.sleep(_FIRST_PAUSE * 2**attempt)
    raise AssertionError


def as_path(path: object) -> Path:
    """Return a local path, or a URL as a path that is shown without its secrets."""
    url = as_url(path)
    if url.startswith("file://"):
        return Path(url.removeprefix("file://"))
    return RemotePath(url) if is_remote(url) else Path(url)


def store_of(path: str | os.PathLike[str]) -> Store:
    """Return the store of a URL, or of a local folder."""
    # fsspec takes a file URL as it stands: no character of it is quoted.
    return Store(as_url(path) if is_remote(path) else f"file://{Path(path).resolve().as_posix()}")
