"""The plan of a folder run: inputs and outputs, decided before any work."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from restore.errors import ImageError, UsageError
from restore.files import ignores_case
from restore.jobs.job_table import Found, Job, JobTable
from restore.jobs.listing import ListedFile, files_in
from restore.jobs.routing import is_glob
from restore.jobs.shard import WHOLE, Shard
from restore.media.formats import BY_SUFFIX, SUFFIXES, checked_ending
from restore.media.video.detect import CONTAINERS, is_clip

__all__ = ["Job", "JobTable", "Naming", "plan", "refuse_absent"]

_FOLDERS = 4096
"""Folders that are remembered: files come folder by folder."""
_FOR_ANY_CLIP = ".mkv"
"""Matroska holds every stream of clips whose own container cannot be written."""


@dataclass(frozen=True)
class Naming:
    """Names of outputs. Raises `UsageError`.

    ``suffix``: appended to the stem of the input's name.
    ``format``: ending of all pictures, such as "png", or of all clips, such as "mkv"; empty keeps
    the input's, or is png, tif or mkv for formats that are only read.
    """

    suffix: str = ""
    format: str = ""

    def __post_init__(self) -> None:
        if os.sep in self.suffix or "/" in self.suffix:
            raise UsageError(f"suffix is {self.suffix!r}; it is part of a name, without folders")
        if self.format and not self._is_of_clips:
            checked_ending(self.format)

    def __call__(self, source: Path) -> str:
        """Return the name of the output for an input."""
        return f"{source.stem}{self.suffix}{self._ending(source)}"

    def _ending(self, source: Path) -> str:
        if self.format and is_clip(source) == self._is_of_clips:
            return f".{self.format}"
        suffix = source.suffix.lower()
        if is_clip(source):
            return source.suffix if suffix in CONTAINERS else _FOR_ANY_CLIP
        format_ = BY_SUFFIX.get(suffix)
        if format_ is None or format_.writable:
            return source.suffix
        return ".png" if format_.depths == ("8",) else ".tif"

    @property
    def _is_of_clips(self) -> bool:
        return f".{self.format.lower()}" in CONTAINERS


_AS_THE_INPUT = Naming()


def refuse_absent(sources: Iterable[Path]) -> None:
    """Raise `ImageError` for a source that neither exists nor is a pattern."""
    for source in sources:
        if not os.path.lexists(source) and not is_glob(source):
            raise ImageError(f"{source}: no such file or folder")


def plan(
    sources: Sequence[Path],
    output: Path,
    *,
    recursive: bool = False,
    naming: Callable[[Path], str] = _AS_THE_INPUT,
    may_be_empty: bool = False,
    shard: Shard = WHOLE,
) -> JobTable:
    """Find every picture and clip in ``sources``: files, folders, patterns such as
    ``photos/*.jpg``.

    Files of a folder keep their places in it below ``output``. Hidden files, files in an ``output``
    within an input folder, and outputs of other inputs are no inputs, so that the same plan made
    again is the same. Folders are listed once, and their files are not opened.

    Args:
        recursive: include folders within folders.
        may_be_empty: return an empty plan instead of raising.
        shard: the share that is returned. All files are checked.

    Raises:
        ImageError: naming a source that does not exist, a folder that cannot be read, two inputs
            with one output, or an output that is an input; or if nothing is found.
    """
    refuse_absent(sources)
    if output.exists() and not output.is_dir():
        raise ImageError(f"{output}: is a file; name a folder for the results")
    if is_clip(output) and not output.exists():
        raise ImageError(
            f"{output}: is the name of a clip; name a folder for the results of several files, or "
            "numbered pictures such as frames/%05d.png as the input of a clip"
        )
    table = JobTable(output, _found(sources, output, recursive, naming))
    if not len(table) and not may_be_empty:
        named = ", ".join(map(str, sources))
        deeper = not recursive and any(source.is_dir() for source in sources)
        hint = "; recursive=True includes the folders within" if deeper else ""
        raise ImageError(f"{named}: no pictures{hint}")
    table.drop_results()
    table.check()
    table.keep(shard)
    return table


def _found(
    sources: Sequence[Path], output: Path, recursive: bool, naming: Callable[[Path], str]
) -> Iterator[Found]:
    named = {str(source) for source in sources if not source.is_dir()}
    same = _SameFile()
    for file in files_in(sources, output, recursive):
        if file.path in named or _is_known(file):
            place = os.path.join(os.path.dirname(file.place), naming(Path(file.path)))
            target = str(output / place)
            yield Found(
                file.path, place, same(file.path, file.is_link), same(target, same.is_link(target))
            )
        elif file.is_regular:
            yield Found(file.path)


def _is_known(file: ListedFile) -> bool:
    # Only regular files: reading a pipe with a picture's name may never end.
    path = Path(file.path)
    known = path.suffix.lower() in SUFFIXES or is_clip(path)
    return known and (file.is_regular or file.is_link)


class _SameFile:
    """Returns equal names for paths that are one file: links are followed, and case is ignored
    where the file system does. Each folder is looked at once."""

    def __init__(self) -> None:
        self._folder = lru_cache(_FOLDERS)(_real_folder)
        self._links = lru_cache(_FOLDERS)(_links_in)

    def __call__(self, path: str, is_link: bool) -> str:
        if is_link:
            real = os.path.realpath(path)
            return real.casefold() if ignores_case(Path(real).parent) else real
        parent, name = os.path.split(path)
        folder, any_case = self._folder(parent)
        real = os.path.join(folder, name)
        return real.casefold() if any_case else real

    def is_link(self, path: str) -> bool:
        parent, name = os.path.split(path)
        return name in self._links(parent)


def _real_folder(folder: str) -> tuple[str, bool]:
    real = os.path.realpath(folder)
    return real, ignores_case(Path(real))


def _links_in(folder: str) -> frozenset[str]:
    try:
        with os.scandir(folder or ".") as entries:
            return frozenset(entry.name for entry in entries if entry.is_symlink())
    except OSError:  # it does not exist yet
        return frozenset()
