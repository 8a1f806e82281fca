"""The plan of a folder run: inputs and outputs, decided before any work."""

from __future__ import annotations

import glob
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from restore.errors import ImageError, UsageError
from restore.files import ignores_case
from restore.jobs.routing import is_glob
from restore.jobs.shard import WHOLE, Shard
from restore.media.formats import BY_SUFFIX, SUFFIXES, checked_ending
from restore.media.video.detect import CONTAINERS, is_clip

_FOR_ANY_CLIP = ".mkv"
"""Matroska holds every stream of clips whose own container cannot be written."""


@dataclass(frozen=True)
class Job:
    """One file and its output."""

    source: Path
    target: Path


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
) -> list[Job]:
    """Find every picture and clip in ``sources``: files, folders, patterns such as
    ``photos/*.jpg``.

    Files of a folder keep their places in it below ``output``. Hidden files, files in an ``output``
    within an input folder, and outputs of other inputs are no inputs, so that the same plan made
    again is the same.

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
    found: dict[Path, Path] = {}  # input -> its place below the output; each input once
    for path, place in _files(sources, output, recursive):
        if _is_named(path, sources) or _is_known(path):
            found.setdefault(path, place)
    if not found and not may_be_empty:
        named = ", ".join(map(str, sources))
        deeper = not recursive and any(source.is_dir() for source in sources)
        hint = "; recursive=True includes the folders within" if deeper else ""
        raise ImageError(f"{named}: no pictures{hint}")
    jobs = [Job(path, output / place.with_name(naming(path))) for path, place in found.items()]
    results = {_same(job.target) for job in jobs if _same(job.target) != _same(job.source)}
    jobs = [job for job in jobs if _same(job.source) not in results]
    jobs.sort(key=lambda job: job.source)
    _check(jobs)
    return [job for job in jobs if shard.holds(job.target.relative_to(output).as_posix())]


def passed_over(sources: Sequence[Path], output: Path, *, recursive: bool = False) -> list[Path]:
    """List the files in the folders and patterns among ``sources`` that `plan` leaves out because
    their names are neither those of pictures nor of clips."""
    found = {path for path, _ in _files(sources, output, recursive)}
    return sorted(p for p in found if not _is_known(p) and p.is_file() and p not in sources)


def _files(sources: Sequence[Path], output: Path, recursive: bool) -> Iterator[tuple[Path, Path]]:
    """Yield (file, its place below the output) for all files that are not hidden."""
    inside = output.resolve()
    for source in sources:
        if source.is_dir():
            yield from _files_of_folder(source, recursive, skip=inside)
        elif is_glob(source):
            yield from _files_of_pattern(source, skip=inside)
        else:
            yield source, Path(source.name)


def _files_of_folder(source: Path, recursive: bool, skip: Path) -> Iterator[tuple[Path, Path]]:
    for folder, folders, names in os.walk(source, onerror=_complain):
        folders[:] = sorted(
            f
            for f in folders
            if recursive and not f.startswith(".") and (Path(folder) / f).resolve() != skip
        )
        for path in (Path(folder) / name for name in sorted(names)):
            if not path.name.startswith("."):
                yield path, path.relative_to(source)


def _files_of_pattern(source: Path, skip: Path) -> Iterator[tuple[Path, Path]]:
    base = _fixed_part(source)
    within = skip not in (base.resolve(), *base.resolve().parents)
    for name in sorted(glob.glob(str(source), recursive=True)):
        path = Path(name)
        if not (within and skip in path.resolve().parents):
            yield path, path.relative_to(base)


def _is_named(path: Path, sources: Sequence[Path]) -> bool:
    """Whether a file is one of the sources itself: it is an input under any name."""
    return path in sources and not path.is_dir()


def _is_known(path: Path) -> bool:
    # Only regular files: reading a pipe with a picture's name may never end.
    known = path.suffix.lower() in SUFFIXES or is_clip(path)
    return known and (path.is_file() or path.is_symlink())


def _complain(error: OSError) -> None:
    raise ImageError(f"{error.filename}: cannot be read: {error.strerror}") from error


def _check(jobs: Sequence[Job]) -> None:
    inputs = {_same(job.source): job.source for job in jobs}
    outputs: dict[str, Job] = {}
    for job in jobs:
        name = _same(job.target)
        if name in inputs:
            raise ImageError(
                f"{job.target}: would replace the input {inputs[name]}; "
                "choose another folder, suffix or format"
            )
        other = outputs.setdefault(name, job)
        if other is not job:
            raise ImageError(f"{other.source} and {job.source} would both become {job.target}")


def _same(path: Path) -> str:
    """Return equal names for paths that are one file: links are followed, and case is ignored where
    the file system does."""
    real = os.path.realpath(path)
    return real.casefold() if ignores_case(Path(real).parent) else real


def _fixed_part(pattern: Path) -> Path:
    """Return the folder of a pattern up to its first wildcard."""
    folders = pattern.parts[:-1]
    fixed = itertools.takewhile(lambda part: not glob.has_magic(part), folders)
    return Path(*fixed)
