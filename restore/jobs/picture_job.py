"""One picture from file to file."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restore.errors import ImageError
from restore.jobs.job_restorer import Notify, announce, open_restorer, stamp_of, used
from restore.jobs.outcome import Outcome
from restore.jobs.result_keys import key_options
from restore.media import image as media
from restore.media import large
from restore.media.io_options import IoOptions
from restore.media.picture import Picture
from restore.media.stamp import stamped

if TYPE_CHECKING:
    from restore.jobs.job_restorer import Head

Report = Callable[[float, int], None]


def open_picture(
    source: Path, target: Path, options: IoOptions, notify: Notify | None = None
) -> Picture:
    """Read a picture that is to become ``target``, by rows if both formats can.

    Its notes include the parts that the format of ``target`` cannot keep; ``notify`` gets each.
    Raises `ImageError`.
    """
    picture = options.read(source, target=target)
    return with_losses(picture, source, target, notify)


def with_losses(picture: Picture, source: Path, target: Path, notify: Notify | None) -> Picture:
    """Add notes on the parts that the format of ``target`` cannot keep. Raises `ImageError`, also
    if a file of several pictures would be replaced by its first one."""
    if picture.has_others and target.exists() and source.exists() and target.samefile(source):
        raise ImageError(
            f"{source}: holds several pictures; only the first would be kept; name another output"
        )
    picture = picture.noting(*media.check_fits(picture, target))
    if notify is not None:
        for note in picture.notes:
            notify(f"{source}: {note}")
    return picture


def restore_picture(
    picture: Picture,
    source: Path,
    target: Path,
    head: Head,
    *,
    save: Callable[[Picture], object] | None = None,
    progress: Report | None = None,
    notify: Notify | None = None,
    **options: Any,
) -> Outcome:
    """Restore a picture from `open_picture` and write it.

    Args:
        head: a head's name, loaded with ``options``, or a `Restorer`.
        save: writes the result, unless it was written by rows; by default to ``target``.
        progress: called with the number of finished tiles and of all, as by `Restorer`.
        notify: gets the expected time of a long run.

    Raises:
        RestoreError: if the model cannot be loaded or run, or the result cannot be written.
    """
    restorer = open_restorer(head, key_options(head, options))
    picture = stamped(picture, stamp_of(restorer))
    height, width = picture.pixels.shape[:2]
    announce(restorer, [(height, width)], notify)
    report = progress or _ignore
    started = time.perf_counter()
    restored = large.through(
        picture,
        target,
        partial(restorer, progress=report),
        partial(restorer.by_rows, progress=report),
    )
    if restored is not None:
        (save or partial(media.write, path=target))(restored)
    done = Outcome(source, target, notes=picture.notes, size=(height, width), **used(restorer))
    return replace(done, seconds=time.perf_counter() - started)


def _ignore(done: float, total: int) -> None:
    pass
