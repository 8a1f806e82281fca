"""Frames that are image files: numbered images to numbered images, a clip to numbered images, an
animation to an animation."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from restore.errors import ImageError
from restore.jobs.clip_work_folder import ResumePolicy
from restore.jobs.resumable_clip import Report, Restore
from restore.media import formats
from restore.media import image as media
from restore.media.picture import Picture
from restore.media.video import animation, decode
from restore.media.video.detect import numbered, numbers
from restore.media.video.numbering import paths
from restore.media.video.rgb_frame import RgbFrame
from restore.media.video.sequence import NotesOfFiles, as_picture, not_in_pictures
from restore.media.video.stream import Clip


@dataclass(frozen=True)
class RestoredFrames:
    """Finished images. ``made``: restored now. ``there``: existed before. ``notes``: on parts that
    are lost. ``size``: (height, width) of the last one restored; (0, 0) if there is none."""

    made: int
    there: int = 0
    notes: tuple[str, ...] = ()
    size: tuple[int, int] = (0, 0)


def restore_numbered(
    source: Path, target: Path, restore: Restore, policy: ResumePolicy, progress: Report
) -> RestoredFrames:
    """Restore every image of a pattern (or a folder: numbered from 1) under the same number; with
    ``policy.resume`` the missing ones. Raises `ImageError`."""
    found = paths(source)
    _refuse(target, list(found), list(found.values()))
    _refuse_existing(target, list(found), policy)
    wanted = {n: path for n, path in found.items() if not _is_there(target, n, policy)}
    notes, size = NotesOfFiles(), (0, 0)
    for done, (number, path) in enumerate(wanted.items()):
        progress(done, len(wanted))
        picture, place = media.read(path), numbered(target, number)
        notes.add(path, (*picture.notes, *media.check_fits(picture, place)))
        media.write(_through(picture, restore), place)
        size = picture.pixels.shape[0], picture.pixels.shape[1]
    progress(len(wanted), len(wanted))
    return RestoredFrames(len(wanted), len(found) - len(wanted), notes.lines(), size)


def extract(
    source: Clip, target: Path, restore: Restore, policy: ResumePolicy, progress: Report
) -> RestoredFrames:
    """Restore every frame of a clip to an upright image, numbered from 1; with ``policy.resume``
    the missing ones. Raises `ImageError`."""
    _refuse(target, [1], [source.path])
    known = [n for n in numbers(target) if 1 <= n <= (source.frames or n)]
    _refuse_existing(target, known, policy)
    made = there = 0
    notes = NotesOfFiles()
    notes.add(source.path, not_in_pictures(source))
    for number, frame in enumerate(decode.frames(source), 1):
        progress(number - 1, max(source.frames, number))
        # A file may hold more frames than it states.
        _refuse_existing(target, [number], policy)
        if _is_there(target, number, policy):
            there += 1
            continue
        place, shot = numbered(target, number), RgbFrame(frame, source.siting)
        if not made:  # before any work
            before = as_picture(source, np.clip(shot.rgb, 0, 1), shot.alpha)
            notes.add(source.path, media.check_fits(before, place))
        (result,) = restore([shot.rgb])
        media.write(as_picture(source, result, shot.alpha), place)
        made += 1
    progress(made + there, made + there)
    return RestoredFrames(made, there, notes.lines(), source.size if made else (0, 0))


def restore_animation(
    source: Path,
    target: Path,
    restore: Restore,
    progress: Report,
    mark: str = "",
    ready: Callable[[Path], object] = lambda temporary: None,
) -> RestoredFrames:
    """Restore an animation to another one with its times, repetitions and transparency.

    Args:
        mark, ready: as for `atomic_path`.

    Raises:
        ImageError: if it cannot be read or written.
    """
    moving = animation.read(source)
    notes = animation.check_fits(moving, target)
    total = len(moving.durations)

    def pictures() -> Iterator[Picture]:
        for done, picture in enumerate(moving.pictures()):
            progress(done, total)
            yield _through(picture, restore)

    animation.write(moving, pictures(), target, mark, ready)
    progress(total, total)
    return RestoredFrames(total, notes=notes, size=moving.size)


def extract_animation(
    source: Path, target: Path, restore: Restore, policy: ResumePolicy, progress: Report
) -> RestoredFrames:
    """Restore every frame of an animation that FFmpeg cannot read to an image, as `extract` does
    for clips. Raises `ImageError`."""
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
        place, picture = numbered(target, number), picture.with_info(**moving.kept)
        notes.add(place, media.check_fits(picture, place))
        media.write(_through(picture, restore), place)
        made += 1
    progress(len(all_), len(all_))
    there = len(all_) - made
    return RestoredFrames(made, there, notes.lines(), moving.size if made else (0, 0))


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


def _refuse_existing(target: Path, known: list[int], policy: ResumePolicy) -> None:
    """Raise `ImageError` for an existing image that ``policy`` neither keeps nor replaces."""
    if policy.resume or policy.overwrite:
        return
    for place in (numbered(target, number) for number in known):
        if os.path.lexists(place):
            raise ImageError(
                f"{place}: exists already; resume=True makes the missing ones, overwrite=True all"
            )


def _is_there(target: Path, number: int, policy: ResumePolicy) -> bool:
    return policy.resume and os.path.lexists(numbered(target, number))
