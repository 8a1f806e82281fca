"""Frames that are pictures in files: numbered ones into numbered ones, a clip into numbered ones,
an animation into an animation."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from restore.errors import ImageError
from restore.media import image as media
from restore.media.picture import Picture
from restore.media.video import animation, clip
from restore.media.video.clip import Clip
from restore.media.video.frames import Shot
from restore.media.video.kinds import numbered, numbers
from restore.media.video.sequence import as_picture, paths

Restore = Callable[[Iterable[np.ndarray]], Iterator[np.ndarray]]
Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Policy:
    """Where there is a picture already: leave it with ``resume``, replace it with ``overwrite``."""

    resume: bool = False
    overwrite: bool = False

    def wants(self, target: Path) -> bool:
        """Whether a picture is to be made. Raises `ImageError` where it must not be replaced."""
        if self.resume and os.path.lexists(target):
            return False
        if os.path.lexists(target) and not self.overwrite:
            raise ImageError(
                f"{target}: exists already; --resume makes those that are missing, --overwrite all"
            )
        return True


def restore_numbered(
    source: Path, target: Path, restore: Restore, policy: Policy, progress: Report
) -> tuple[int, int]:
    """Every picture of a pattern (or a folder: numbered from 1), under the same number.

    Returns how many were made, and how many were there. Raises `ImageError`.
    """
    found = paths(source)
    known = numbers(source) or list(range(1, len(found) + 1))
    jobs = [(path, numbered(target, n)) for path, n in zip(found, known, strict=True)]
    _refuse(target, [place for _, place in jobs], found)
    wanted = [(path, place) for path, place in jobs if policy.wants(place)]
    for done, (path, place) in enumerate(wanted):
        progress(done, len(wanted))
        media.write(_through(media.read(path), restore), place)
    progress(len(wanted), len(wanted))
    return len(wanted), len(jobs) - len(wanted)


def extract(
    source: Clip, target: Path, restore: Restore, policy: Policy, progress: Report
) -> tuple[int, int]:
    """Every frame of a clip as a picture, numbered from 1, upright. Returns and raises as
    `restore_numbered` does."""
    _refuse(target, [numbered(target, 1)], [source.path])
    made = there = 0
    for number, frame in enumerate(clip.frames(source), 1):
        progress(number - 1, max(source.frames, number))
        place = numbered(target, number)
        if not policy.wants(place):
            there += 1
            continue
        shot = Shot(frame)
        (result,) = restore([shot.rgb])
        media.write(as_picture(frame, result, shot.alpha), place)
        made += 1
    progress(made + there, made + there)
    return made, there


def restore_animation(source: Path, target: Path, restore: Restore, progress: Report) -> int:
    """An animation into another, with its times, its repetitions and its transparency. Returns the
    number of its pictures. Raises `ImageError`."""
    moving = animation.read(source)
    total = len(moving.durations)

    def pictures() -> Iterator[Picture]:
        for done, picture in enumerate(moving.pictures()):
            progress(done, total)
            yield _through(picture, restore)

    animation.write(moving, pictures(), target)
    progress(total, total)
    return total


def _through(picture: Picture, restore: Restore) -> Picture:
    def one(pixels: np.ndarray) -> np.ndarray:
        (result,) = restore([pixels])
        return result

    return picture.through(one)


def _refuse(target: Path, places: list[Path], sources: list[Path]) -> None:
    if not target.parent.is_dir():
        raise ImageError(f"{target}: folder {target.parent} does not exist")
    same = {os.path.realpath(p) for p in places} & {os.path.realpath(p) for p in sources}
    if same:
        raise ImageError(f"{min(same)}: would replace the input; choose another folder")
