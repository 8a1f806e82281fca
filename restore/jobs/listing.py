"""Files in folders and patterns, one at a time."""

from __future__ import annotations

import glob
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from restore.errors import ImageError
from restore.jobs.routing import is_glob

RECURSIVE = "**"
"""Part of a pattern that stands for any number of folders."""


@dataclass(frozen=True)
class ListedFile:
    """A file that is not hidden.

    ``place``: its path below the folder that was listed.
    ``is_regular``: whether it is a file, also through a link; pipes and devices are not.
    """

    path: str
    place: str
    is_regular: bool
    is_link: bool


def files_in(sources: Sequence[Path], output: Path, recursive: bool) -> Iterator[ListedFile]:
    """Yield all files of folders and patterns, except those within ``output``, and all other
    sources. The order is that of the file system.

    Raises `ImageError` for a folder that cannot be read.
    """
    inside = output.resolve()
    for source in sources:
        if source.is_dir():
            yield from _of_folder(str(source), "", recursive, inside)
        elif is_glob(source):
            yield from _of_pattern(source, inside)
        else:
            yield ListedFile(str(source), source.name, source.is_file(), source.is_symlink())


def _of_folder(folder: str, place: str, recursive: bool, skip: Path) -> Iterator[ListedFile]:
    within = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                path = os.path.join(folder, entry.name) if folder != "." else entry.name
                if not entry.is_dir():
                    below = os.path.join(place, entry.name)
                    yield ListedFile(path, below, entry.is_file(), entry.is_symlink())
                elif recursive and not entry.is_symlink():
                    within.append(entry.name)
    except OSError as error:
        raise ImageError(f"{error.filename}: cannot be read: {error.strerror}") from error
    for name in sorted(within):
        path = os.path.join(folder, name) if folder != "." else name
        if Path(path).resolve() != skip:
            yield from _of_folder(path, os.path.join(place, name), recursive, skip)


def _of_pattern(source: Path, skip: Path) -> Iterator[ListedFile]:
    base = fixed_part(source)
    within = skip not in (base.resolve(), *base.resolve().parents)
    for path in _matches(source, base):
        if within and skip in path.resolve().parents:
            continue
        below = str(path.relative_to(base))
        yield ListedFile(str(path), below, path.is_file(), path.is_symlink())


def _matches(pattern: Path, base: Path) -> Iterator[Path]:
    if RECURSIVE not in pattern.parts:
        yield from map(Path, glob.iglob(str(pattern)))
        return
    # Unlike glob, pathlib enters no links to folders, which may lead back to a folder above.
    rest = pattern.relative_to(base)
    takes_hidden = any(part.startswith(".") for part in rest.parts)
    for path in base.glob(str(rest / "*" if rest.name == RECURSIVE else rest)):
        is_hidden = any(part.startswith(".") for part in path.relative_to(base).parts)
        if takes_hidden or not is_hidden:
            yield path


def fixed_part(pattern: Path) -> Path:
    """Return the folder of a pattern up to its first wildcard."""
    folders = pattern.parts[:-1]
    fixed = itertools.takewhile(lambda part: not glob.has_magic(part), folders)
    return Path(*fixed)
