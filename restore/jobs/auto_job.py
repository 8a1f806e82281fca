"""One picture from file to file, by the heads that it needs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from restore.automatic import AutoPlan, AutoRestorer, Step
from restore.errors import UsageError
from restore.jobs.job_restorer import Notify, announce, stamp_of
from restore.jobs.outcome import Outcome
from restore.jobs.picture_job import with_losses
from restore.media import image as media
from restore.media.io_options import IoOptions
from restore.media.picture import Picture
from restore.media.stamp import stamped
from restore.media.video import detect

if TYPE_CHECKING:
    from restore.engine.restorer import Restorer
    from restore.inspect import Judgement

Report = Callable[[float, int], None]


@dataclass(frozen=True)
class AutoOutcome(Outcome):
    """The result for one picture. ``model`` names those of all kept steps."""

    steps: tuple[Step, ...] = ()
    """Heads that were tried, in order; see `Step.kept`."""
    judgement: Judgement | None = None
    """The judgement of the input; None if it could not be read."""
    copied: bool = False
    """Whether the output is the input, byte for byte; otherwise it was encoded."""

    @property
    def kept(self) -> tuple[Step, ...]:
        """Steps that the output consists of."""
        return tuple(step for step in self.steps if step.kept)


def auto_file(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    restorer: AutoRestorer | None = None,
    overwrite: bool = False,
    bit_depth: str = "",
    encode_quality: int | None = None,
    max_pixels: int | None = None,
    stamp: bool = False,
    progress: Report | None = None,
    on_step: Callable[[Step], object] | None = None,
    notify: Notify | None = None,
    **options: Any,
) -> AutoOutcome:
    """Restore a picture with the heads that it needs; a healthy one is copied byte for byte if the
    output has its format and no option asks for another encoding.

    Args:
        source: a picture. Of an animation, UsageError.
        target: the output; its ending decides the format. It appears complete or not at all.
        restorer: holds loaded models, for many files; excludes ``options``.
        overwrite, bit_depth, encode_quality, max_pixels, stamp, notify: as for `restore_file`.
        progress: called with the finished tiles of the step at work and with all of them.
        on_step: called with each finished step.
        options: those of `AutoRestorer`.

    Raises:
        ImageError: if the input cannot be read, or the output cannot be written.
        UsageError: for a clip or a folder, and for an option that does not exist.
        CheckpointError: if the judge or a needed model is not installed.
    """
    source, target = Path(source), Path(target)
    chosen = IoOptions(bit_depth, encode_quality, max_pixels, stamp)
    refuse_moving(source, target)
    if restorer is not None and options:
        raise UsageError(f"{next(iter(options))} is an option of the AutoRestorer that is given")
    auto = restorer or AutoRestorer(**options)
    media.check_target(target, overwrite)
    picture = with_losses(chosen.read(source), source, target, notify)
    return auto_picture(
        *(picture, source, target, auto),
        copies=chosen.keeps_encoding,
        progress=progress,
        on_step=on_step,
        notify=notify,
    )


def refuse_moving(source: Path, target: Path) -> None:
    """Raise `UsageError` for a clip or an animation, and for a folder."""
    if detect.is_clip(target) or is_moving_source(source):
        raise UsageError("auto restores pictures; name a head for a clip or an animation")
    if source.is_dir() or target.is_dir():
        raise UsageError("auto_file restores one picture; use auto_folder")


def is_moving_source(source: Path) -> bool:
    """Whether a file is a clip or an animation."""
    return detect.is_clip(source) or detect.is_animated(source)


def plan_picture(picture: Picture, auto: AutoRestorer) -> AutoPlan:
    """Judge a picture as `auto_picture` does, and list the heads to try. Raises as `plan`."""
    plans: list[AutoPlan] = []

    def look(pixels: np.ndarray) -> np.ndarray:
        plans.append(auto.plan(pixels))
        return pixels

    picture.through(look)
    return plans[0]


def auto_picture(
    picture: Picture,
    source: Path,
    target: Path,
    auto: AutoRestorer,
    *,
    copies: bool = True,
    save: Callable[[Picture], object] | None = None,
    copy: Callable[[Picture], bool] | None = None,
    mark: str = "",
    ready: Callable[[Path], object] = lambda temporary: None,
    progress: Report | None = None,
    on_step: Callable[[Step], object] | None = None,
    notify: Notify | None = None,
) -> AutoOutcome:
    """Restore a picture that was read from ``source``, and write it.

    Args:
        copies: whether a healthy picture is copied; otherwise it is encoded.
        save: writes the result; by default to ``target``.
        copy: copies the input as `image.copy` does, which is the default.
        mark, ready: as for `image.write`.
        progress, on_step, notify: as for `auto_file`.

    Raises as `auto_file` does.
    """
    started = time.perf_counter()
    height, width = picture.pixels.shape[:2]
    used: list[tuple[Step, Restorer]] = []

    def start(step: Step, restorer: Restorer) -> None:
        announce(restorer, [(height, width)], notify)
        used.append((step, restorer))

    found = AutoOutcome(source, target, notes=picture.notes, size=(height, width))

    def better(pixels: np.ndarray) -> np.ndarray:
        nonlocal found
        result = auto(pixels, progress, on_start=start, on_step=on_step)
        found = replace(found, steps=result.steps, judgement=result.judgement)
        return result.image

    restored = picture.through(better)
    write = save or partial(media.write, path=target, mark=mark, ready=ready)

    def copy_file(picture: Picture) -> bool:
        return source.is_file() and media.copy(picture, source, target, mark, ready)

    if found.kept:
        write(_recorded(restored, found, used))
    elif copies and (copy or copy_file)(picture):
        found = replace(found, copied=True)
    else:
        write(picture)
    return replace(_described(found, used), seconds=time.perf_counter() - started)


def _recorded(picture: Picture, found: AutoOutcome, used: list[tuple[Step, Restorer]]) -> Picture:
    """Add an entry for each kept step to the XMP, if a stamp is wanted."""
    for step, (_, restorer) in zip(found.steps, used, strict=True):
        if step.kept:
            picture = stamped(picture, stamp_of(restorer, step.strength))
    return picture


def _described(found: AutoOutcome, used: list[tuple[Step, Restorer]]) -> AutoOutcome:
    """Name the models and what they ran on; empty for a healthy picture."""
    if not found.kept:
        return found
    restorer = used[-1][1]
    return replace(
        found,
        model=", ".join(step.model for step in found.kept),
        device=str(restorer.compute.device),
        precision=restorer.compute.precision,
        backend=restorer.backend.name,
    )
