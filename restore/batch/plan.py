"""What a batch is to do, decided before any of it is done."""

from __future__ import annotations

import glob
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from restore.errors import ImageError, UsageError
from restore.media.formats import SUFFIXES, checked_ending
from restore.media.video.detect import is_clip


@dataclass(frozen=True)
class Job:
    """One picture and where its result goes."""

    source: Path
    target: Path


@dataclass(frozen=True)
class Naming:
    """How outputs are called: the name of the input, ``suffix`` appended to its stem, and the
    ending ``format`` (such as "png") instead of its own, if given. Raises `UsageError`."""

    suffix: str = ""
    format: str = ""

    def __post_init__(self) -> None:
        if os.sep in self.suffix or "/" in self.suffix:
            raise UsageError(f"suffix is {self.suffix!r}; it is part of a name, without folders")
        if self.format:
            checked_ending(self.format)

    def __call__(self, source: Path) -> str:
        ending = f".{self.format}" if self.format else source.suffix
        return f"{source.stem}{self.suffix}{ending}"


def is_batch(sources: Sequence[Path], output: Path) -> bool:
    """Whether these arguments mean a folder of results: because there are several inputs, or a
    folder or a pattern of them, or because ``output`` is a folder."""
    several = len(sources) > 1 or any(s.is_dir() or _is_pattern(s) for s in sources)
    return several or output.is_dir()


def refuse_absent(sources: Iterable[Path]) -> None:
    """Raise `ImageError` naming a source that is neither there nor a pattern."""
    for source in sources:
        if not os.path.lexists(source) and not _is_pattern(source):
            raise ImageError(f"{source}: no such file or folder")


def plan(
    sources: Sequence[Path],
    output: Path,
    *,
    recursive: bool = False,
    naming: Callable[[Path], str] = Naming(),
    may_be_empty: bool = False,
) -> list[Job]:
    """Every picture that ``sources`` (files, folders, patterns such as ``photos/*.jpg``) mean.

    Those of a folder keep their places in it below ``output``, with ``recursive`` also those in
    folders within. Hidden files, what lies in an ``output`` within, and what another input becomes
    are no inputs, so that the same plan made again is the same. Raises `ImageError` naming a source
    that does not exist, a folder that cannot be read, two inputs that would become one output, or
    an output that is its own input; and where nothing is found, unless it ``may_be_empty``.
    """
    refuse_absent(sources)
    if output.exists() and not output.is_dir():
        raise ImageError(f"{output}: is a file; name a folder for the results")
    inside = output.resolve()
    found: dict[Path, Path] = {}  # input -> its place below the output; each input once
    for source in sources:
        for path, place in _pictures(source, recursive, skip=inside):
            found.setdefault(path, place)
    if not found and not may_be_empty:
        named = ", ".join(map(str, sources))
        hint = "" if recursive else "; --recursive looks into the folders within"
        hint = hint if _has_folder(sources) else ""
        if clips_left_out(sources, recursive=recursive):
            hint = "; clips are restored one at a time"
        raise ImageError(f"{named}: no pictures{hint}")
    jobs = [Job(path, output / place.with_name(naming(path))) for path, place in found.items()]
    results = {_same(job.target) for job in jobs if _same(job.target) != _same(job.source)}
    jobs = [job for job in jobs if _same(job.source) not in results]
    jobs.sort(key=lambda job: job.source)
    _check(jobs)
    return jobs


def clips_left_out(sources: Sequence[Path], *, recursive: bool = False) -> list[Path]:
    """The video files in the folders among ``sources``, which `plan` takes no notice of."""
    found: list[Path] = []
    for source in sources:
        if source.is_dir():
            inside = source.rglob("*") if recursive else source.iterdir()
            found += (path for path in inside if is_clip(path))
    return sorted(found)


def _pictures(source: Path, recursive: bool, skip: Path) -> Iterator[tuple[Path, Path]]:
    """(picture, its place): of a folder all pictures, else what was named, picture or not."""
    if source.is_dir():
        for folder, folders, names in os.walk(source, onerror=_complain):
            folders[:] = sorted(
                f
                for f in folders
                if recursive and not f.startswith(".") and (Path(folder) / f).resolve() != skip
            )
            for path in (Path(folder) / name for name in sorted(names)):
                if _is_picture(path) and not path.name.startswith("."):
                    yield path, path.relative_to(source)
    elif _is_pattern(source):
        base = _fixed_part(source)
        within = skip not in (base.resolve(), *base.resolve().parents)
        for name in sorted(glob.glob(str(source), recursive=True)):
            path = Path(name)
            if within and skip in path.resolve().parents:
                continue
            if _is_picture(path):
                yield path, path.relative_to(base)
    else:
        yield source, Path(source.name)


def _is_picture(path: Path) -> bool:
    # What is no regular file may never end: a pipe with a picture's name, say.
    return path.suffix.lower() in SUFFIXES and (path.is_file() or path.is_symlink())


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
                "choose another folder, --suffix or --format"
            )
        other = outputs.setdefault(name, job)
        if other is not job:
            raise ImageError(f"{other.source} and {job.source} would both become {job.target}")


def _same(path: Path) -> str:
    """Equal for paths that may be one file: links are followed, and many file systems take names
    that differ in case for one."""
    return os.path.realpath(path).casefold()


def _is_pattern(source: Path) -> bool:
    return glob.has_magic(str(source)) and not source.exists()


def _fixed_part(pattern: Path) -> Path:
    """The folder of a pattern below which it begins to vary."""
    folders = pattern.parts[:-1]
    fixed = itertools.takewhile(lambda part: not glob.has_magic(part), folders)
    return Path(*fixed)


def _has_folder(sources: Sequence[Path]) -> bool:
    return any(source.is_dir() for source in sources)
