"""Frames that are pictures in files: numbered ones into numbered ones, a clip into numbered ones,
an animation into an animation."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from restore.batch.clip import Policy, Report, Restore
from restore.errors import ImageError
from restore.media import formats
from restore.media import image as media
from restore.media.picture import Picture
from restore.media.video import animation, decode
from restore.media.video.detect import numbered, numbers
from restore.media.video.rgb_frame import RgbFrame
from restore.media.video.sequence import NotesOfFiles, as_picture, not_in_pictures, paths
from restore.media.video.stream import Clip


@dataclass(frozen=True)
class Done:
    """How many pictures were made, how many were there already, and what is to be said of them."""

    made: int
    there: int = 0
    notes: tuple[str, ...] = ()


def restore_numbered(
    source: Path, target: Path, restore: Restore, policy: Policy, progress: Report
) -> Done:
    """Every picture of a pattern (or a folder: numbered from 1), under the same number; with
    ``policy.resume`` those that are missing. Raises `ImageError`."""
    found = paths(source)
    _refuse(target, list(found), list(found.values()))
    _refuse_existing(target, list(found), policy)
    wanted = {n: path for n, path in found.items() if not _is_there(target, n, policy)}
    notes = NotesOfFiles()
    for done, (number, path) in enumerate(wanted.items()):
        progress(done, len(wanted))
        picture, place = media.read(path), numbered(target, number)
        notes.add(path, (*picture.notes, *media.check_fits(picture, place)))
        media.write(_through(picture, restore), place)
    progress(len(wanted), len(wanted))
    return Done(len(wanted), len(found) - len(wanted), notes.lines())


def extract(source: Clip, target: Path, restore: Restore, policy: Policy, progress: Report) -> Done:
    """Every frame of a clip as a picture, numbered from 1, upright; with ``policy.resume`` those
    that are missing. Raises `ImageError`."""
    _refuse(target, [1], [source.path])
    known = [n for n in numbers(target) if 1 <= n <= (source.frames or n)]
    _refuse_existing(target, known, policy)
    made = there = 0
    notes = NotesOfFiles()
    notes.add(source.path, not_in_pictures(source))
    for number, frame in enumerate(decode.frames(source), 1):
        progress(number - 1, max(source.frames, number))
        # A file may hold more frames than it says.
        _refuse_existing(target, [number], policy)
        if _is_there(target, number, policy):
            there += 1
            continue
        place, shot = numbered(target, number), RgbFrame(frame)
        if not made:  # before any work
            before = as_picture(source, np.clip(shot.rgb, 0, 1), shot.alpha)
            notes.add(source.path, media.check_fits(before, place))
        (result,) = restore([shot.rgb])
        media.write(as_picture(source, result, shot.alpha), place)
        made += 1
    progress(made + there, made + there)
    return Done(made, there, notes.lines())


def restore_animation(source: Path, target: Path, restore: Restore, progress: Report) -> Done:
    """An animation into another, with its times, its repetitions and its transparency. Raises
    `ImageError`."""
    moving = animation.read(source)
    notes = animation.check_fits(moving, target)
    total = len(moving.durations)

    def pictures() -> Iterator[Picture]:
        for done, picture in enumerate(moving.pictures()):
            progress(done, total)
            yield _through(picture, restore)

    animation.write(moving, pictures(), target)
    progress(total, total)
    return Done(total, notes=notes)


def extract_animation(
    source: Path, target: Path, restore: Restore, policy: Policy, progress: Report
) -> Done:
    """Every picture of an animation, as `extract` does it of a clip: for those that FFmpeg cannot
    read."""
    moving = animation.read(source)
    all_ = range(1, len(moving.durations) + 1)
    _refuse(target, list(all_), [source])
    _refuse_existing(target, list(all_), policy)
    made = 0
    notes = NotesOfFiles()
    notes.add(source, moving.notes)
    for number, picture in zip(all_, moving.pictures(), strict=True):
        progress(number - 1, len(all_))
        if _is_there(target, number, policy):
            continue
        place = numbered(target, number)
        notes.add(place, media.check_fits(picture, place))
        media.write(_through(picture, restore), place)
        made += 1
    progress(len(all_), len(all_))
    return Done(made, len(all_) - made, notes.lines())


def _through(picture: Picture, restore: Restore) -> Picture:
    def one(pixels: np.ndarray) -> np.ndarray:
        (result,) = restore([pixels])
        return result

    return picture.through(one)


def _refuse(target: Path, known: list[int], sources: list[Path]) -> None:
    formats.of_target(target)
    if not target.parent.is_dir():
        raise ImageError(f"{target}: folder {target.parent} does not exist")
    places = {os.path.realpath(numbered(target, number)) for number in known}
    same = places & {os.path.realpath(path) for path in sources}
    if same:
        raise ImageError(f"{min(same)}: would replace the input; choose another folder")


def _refuse_existing(target: Path, known: list[int], policy: Policy) -> None:
    """Raise `ImageError` for a picture that is there and is neither to stay nor to be replaced."""
    if policy.resume or policy.overwrite:
        return
    for place in (numbered(target, number) for number in known):
        if os.path.lexists(place):
            raise ImageError(
                f"{place}: exists already; --resume makes those that are missing, --overwrite all"
            )


def _is_there(target: Path, number: int, policy: Policy) -> bool:
    return policy.resume and os.path.lexists(numbered(target, number))
