"""One file of any kind to another one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restore.errors import ImageError, UsageError
from restore.jobs.clip_job import restore_clip
from restore.jobs.clip_options import ClipOptions
from restore.jobs.job_restorer import Notify
from restore.jobs.outcome import Outcome
from restore.jobs.picture_job import Report, open_picture, restore_picture
from restore.jobs.routing import is_clip_run
from restore.media import image as media
from restore.media.io_options import IoOptions

if TYPE_CHECKING:
    from restore.jobs.job_restorer import Head


def restore_file(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    head: Head,
    *,
    overwrite: bool = False,
    bit_depth: str = "",
    encode_quality: int | None = None,
    max_pixels: int | None = None,
    stamp: bool = False,
    progress: Report | None = None,
    notify: Notify | None = None,
    **options: Any,
) -> Outcome:
    """Restore a picture, an animation or a clip, with all that its output's format can keep.

    Args:
        source: the input. An animation whose output's format can move stays one.
        target: the output; its ending decides the format. It appears complete or not at all.
        head: a head's name, loaded with ``options`` (those of `Restorer`), or a `Restorer`.
        overwrite: replace an existing output.
        bit_depth: of a picture: "8", "16" or "32f"; empty keeps the input's.
        encode_quality: of a picture in a lossy format: 1 to 100; None keeps the input's.
        max_pixels: refuse larger pictures; None is 500 million.
        stamp: record head, model, its hash and strength in the XMP of a picture.
        progress: called with the number of finished tiles and of all, as by `Restorer`, or of the
            frames of a clip.
        notify: gets a sentence for each part that the output cannot keep, and the expected time of
            a long run.
        options: also those of `restore_clip`, for a clip.

    Raises:
        ImageError: if the input cannot be read, or the output cannot be written.
        UsageError: for an option that does not exist or has no effect on this input.
        ModelNotFoundError: if no model of the head is installed.
    """
    source, target = Path(source), Path(target)
    chosen = IoOptions(bit_depth, encode_quality, max_pixels, stamp)
    if source.is_dir():
        raise ImageError(f"{source}: is a folder; use restore_folder")
    if is_clip_run([source], target):
        refuse_picture_options(chosen, source)
        return restore_clip(
            source,
            target,
            head,
            overwrite=overwrite,
            progress=progress,
            notify=notify,
            **options,
        )
    own = {name: options.pop(name) for name in [*options] if name in vars(ClipOptions())}
    ClipOptions(**own).refuse(what=f"for clips; {source} is a picture")
    media.check_target(target, overwrite)
    picture = open_picture(source, target, chosen, notify)
    return restore_picture(
        picture, source, target, head, progress=progress, notify=notify, **options
    )


def refuse_picture_options(chosen: IoOptions, source: Path) -> None:
    """Raise `UsageError` for an option of pictures that a clip has no use for."""
    for name, value in vars(chosen).items():
        if value != getattr(IoOptions, name):
            raise UsageError(f"{name} is for pictures; {source} is a clip")
