"""The images of a comparison: the input, and its restorations by heads, models and strengths."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from restore.errors import UsageError
from restore.media.screen import screen_view

if TYPE_CHECKING:
    from restore.media.picture import Picture

Progress = Callable[[float, int], None]


@dataclass(frozen=True)
class View:
    """An image to show: H x W x 3 uint8 in sRGB, with its ``label``; ``psnr`` in dB against the
    reference, if there is one."""

    label: str
    pixels: np.ndarray
    psnr: float | None = None


@dataclass(frozen=True)
class Treatment:
    """A way to restore: a ``head``, a ``model`` (None: the head's standard one), a ``strength``."""

    head: str
    model: str | Path | None = None
    strength: float = 1.0

    @property
    def label(self) -> str:
        """Name of the model, or else of the head, and the strength if it is not 1."""
        name = self.head if self.model is None else str(self.model)
        return name if self.strength == 1 else f"{name} at {self.strength:g}"


def view_of(
    picture: Picture, label: str, reference: Picture | None = None, crop: int | None = None
) -> View:
    """Return the view of an image: all of it, or the ``crop`` x ``crop`` pixels in its centre.

    PSNR is measured on the whole image in 8 bits. Raises `UsageError` for a reference of another
    size.
    """
    pixels = screen_view(picture)
    psnr = None
    if reference is not None:
        psnr = _psnr(pixels, screen_view(reference), label)
    return View(label, pixels if crop is None else centre(pixels, crop), psnr)


def restored_views(
    picture: Picture,
    treatments: Sequence[Treatment],
    reference: Picture | None = None,
    crop: int | None = None,
    progress: Progress = lambda done, total: None,
    **options: Any,
) -> Iterator[View]:
    """Restore an image by each treatment and yield the views.

    The whole image is restored, even if only a crop is shown. A model is loaded once for all of its
    strengths, which blend its result with the input. ``progress`` is called with the finished tiles
    and all tiles of each treatment. ``options`` are those of `Restorer`.

    Raises `RestoreError` if a model cannot be loaded or run.
    """
    from restore.engine.restorer import Restorer

    for (head, model), group in groupby(treatments, lambda one: (one.head, one.model)):
        restorer = Restorer(head, model, **options)
        for treatment in group:
            restore = partial(restorer, strength=treatment.strength, progress=progress)
            yield view_of(picture.through(restore), treatment.label, reference, crop)


def centre(pixels: np.ndarray, side: int) -> np.ndarray:
    """Return the centre, at most ``side`` x ``side`` pixels."""
    top, left = (max(0, (length - side) // 2) for length in pixels.shape[:2])
    return pixels[top : top + side, left : left + side]


def _psnr(pixels: np.ndarray, target: np.ndarray, label: str) -> float:
    from restore.evaluate.metrics import psnr

    if pixels.shape != target.shape:
        sizes = " and ".join(f"{s[1]}x{s[0]}" for s in (pixels.shape, target.shape))
        raise UsageError(f"{label} and the reference differ in size: {sizes}")
    return psnr(pixels, target)
