"""The engine's entry point: an image in, a restored image out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from restore.checkpoints import store
from restore.checkpoints.card import TilePolicy
from restore.checkpoints.cut import cut_model
from restore.engine import backend as backends
from restore.engine import budget, pixels
from restore.engine.arrays import Image, convert
from restore.engine.batches import batch_size, grouped
from restore.engine.checks import check_count, checked_progress, checked_strength
from restore.engine.forks import refuse_after_fork
from restore.engine.frames import AHEAD, restored_frames
from restore.engine.memory import Memory
from restore.engine.share import Share
from restore.engine.temporal import Steadier
from restore.engine.tile_options import resolve_options
from restore.engine.tiled_pass import Progress, TiledPass
from restore.networks import Pair
from restore.rows import Rows, Sink


class Restorer:
    """Restores images with one model, which is loaded once.

    Args:
        task: one of `restore.TASKS`.
        model: name or file of a model; by default the head's model of ``quality``.
        quality: "standard" (the default; a smaller model where it is not installed), "fast" or
            "best" (the official model, once it is installed). Excludes ``model``.
        stages: stop a network of several stages after this many, at that cost.
        device: "auto" (cuda, then mps, then cpu), "cpu", "cuda", "cuda:1" or "mps".
        precision: "auto" (the fastest that the model's card lists), "float32" or "bfloat16".
        tile: "auto" (the card's policy); pixels a side; "window" (large tiles, in which mixing is
            confined to windows of the training size); "exact" (the whole image, part of every layer
            at a time); "off" (the same result in more memory); or a `TilePolicy`. Only under "auto"
            do heads that judge a whole scene see large images reduced.
        reduce: pixels of the shorter side at which the network sees an image; the change is carried
            over to all pixels. "off" shows every pixel. The default depends on ``tile``.
        overlap: pixels that neighbouring tiles share; by default the card's.
        max_memory: bytes, or text such as "4GiB", for images, results and tiles under "auto" and
            "window"; by default a share of the free memory. No effect on unmeasured models, on GPUs
            or with an explicit tile size; a warning is logged. Where memory still runs out,
            "exact" replaces "off", single tiles replace groups, then tiles are halved.
        workers: number of threads that restore images at a time and share that memory.
        strength: blend with the input, from 0 (the input) to 1 (the full effect).
        ensemble: average the results of eight flips and quarter turns, in 8 times the time.
        backend: "torch"; "onnxruntime" (an extra), which exports a model at its first use and
            computes in float32; "triton", CUDA kernels not yet run on any GPU; or "plain", torch's
            own operators, the reference for the others.

    Raises `ModelNotFoundError`, `CheckpointError` (not a model of the task), `UsageError` (no such
    option), or `RestoreError` (a missing device, too little memory, a fork).
    """

    def __init__(
        self,
        task: str,
        model: str | Path | None = None,
        *,
        quality: str | None = None,
        stages: int | None = None,
        device: str = "auto",
        precision: str = "auto",
        tile: str | int | TilePolicy = "auto",
        reduce: int | str | None = None,
        overlap: int | None = None,
        max_memory: int | str | None = None,
        workers: int = 1,
        strength: float = 1.0,
        ensemble: bool = False,
        backend: str = backends.TORCH,
    ):
        refuse_after_fork()
        self.strength = checked_strength(strength)
        exported = backend == backends.ONNXRUNTIME
        found = cut_model(store.find(task, model, quality, with_exported=exported), stages)
        self.task, self.card, self.ensemble = task, found.card, ensemble
        check_count("workers", workers, 1, of="threads")
        self.max_memory = None if max_memory is None else budget.parsed(str(max_memory))
        self._options = resolve_options(tile, overlap, self.card, reduce)
        self.backend = backends.load(backend, found, device, precision)
        self.compute = self.backend.compute
        self._options = self._options.for_backend(tile, self.backend)
        self._memory = Memory(self.card, self.backend, self.max_memory, workers)
        self._memory.warn_if_ignored(tile, self.backend, model or self.card.name)

    def __repr__(self) -> str:
        compute = self.compute
        return (
            f"Restorer({self.task!r}, model={self.card.name!r}, device={str(compute.device)!r}, "
            f"precision={compute.precision!r}, backend={self.backend.name!r}, "
            f"strength={self.strength:g}, ensemble={self.ensemble!r})"
        )

    @property
    def tiles(self) -> TilePolicy:
        """How images are reduced and cut, before tiles are made smaller to fit the memory."""
        return self._options.policy

    def __call__(
        self, image: Image, progress: Progress | None = None, *, strength: float | None = None
    ) -> Image:
        """Restore one image; return the same kind, shape, dtype and device.

        Args:
            image: an array H x W x 3 (RGB), H x W x 4 (RGBA), H x W x 1 or H x W (grey); a tensor
                3 x H x W, H x W x 3, H x W or N x 3 x H x W, or with 1 or 4 channels; or a PIL
                image. At least 1 x 1; uint8, uint16, or floats of any width nominally in [0, 1],
                encoded as in files. Noise may lie outside and is not clipped.
            progress: called with the number of finished tiles and of all; by torch on a CPU also
                within long tiles, with fractions such as 2.4. An exception in it ends the work.
            strength: that of this call instead of the restorer's.

        Integers are rounded; floats are computed in float32 and clipped to [0, 1]. Alpha is
        unchanged, and equal channels stay equal. PIL images keep their ``info``; palettes become
        RGB or RGBA. On a CPU, the same image in the same tiles gives the same bytes.

        Raises `ImageError` for another shape or dtype, for NaN and infinity, and for floats far
        outside [0, 1]; `UsageError` for an option; `RestoreError` if the result is not finite.
        """
        report, given = checked_progress(progress), convert(image)
        most = batch_size(self.compute.device, given.arrays[0].shape[:2])
        groups = grouped(given.arrays, most, report)
        results = (self._together(group, part, strength=strength) for group, part in groups)
        return given.back([result for restored in results for result in restored])

    def borders(self, image: np.ndarray) -> tuple[Sequence[int], Sequence[int]]:
        """Return where tiles and windows of an image meet; see `TilePlan.borders`."""
        return self._memory.plan(self._options, [image], [image]).borders()

    def by_rows(
        self, image: np.ndarray | Rows, into: np.ndarray | Sink, progress: Progress | None = None
    ) -> None:
        """Restore an image that need not be in memory, as `__call__` does in the same tiles.

        ``image``: H x W x 3 or H x W, uint8, uint16 or float32. The result is assigned to ``into``
        by rows, ``into[rows] = pixels``, from top to bottom; from row 0 again if memory runs out.
        """
        self._together([image], progress, into)

    def frames(
        self,
        frames: Iterable[Image],
        *,
        steady: Steadier | bool = False,
        ahead: int = AHEAD,
        batch: int | None = None,
    ) -> Iterator[Image]:
        """Restore frames one after the other; yield as many, in order.

        Args:
            frames: images as of `__call__`, without batches. Size and kind may change.
            steady: lower flicker (see `Steadier`, which continues from the frames it has seen).
            ahead: frames read before they are needed, at most. The thread that reads them ends with
                the last frame, or with a read in progress once the iterator is closed or dropped.
            batch: frames of one size restored at once; by default as many as are fastest on the
                device. Single frames, as on a CPU, have the bytes of `__call__`.

        Raises an error of ``frames`` in the place of the frame, and `ImageError` with the number,
        from 0, of a frame that cannot be restored.
        """
        sizes = partial(batch_size, self.compute.device)
        return restored_frames(frames, self._together, sizes, steady, ahead, batch)

    def _together(
        self,
        images: Sequence[np.ndarray | Rows],
        progress: Progress | None = None,
        into: np.ndarray | Sink | None = None,
        strength: float | None = None,
    ) -> list[Any]:
        """Restore images of one height and width, all of them at once."""
        report = checked_progress(progress)
        strength = checked_strength(self.strength if strength is None else strength)
        pixels.check(*images)
        results = [np.empty(i.shape, i.dtype) if into is None else into for i in images]
        if strength == 0:
            pixels.copy_clipped(images, results)
            return results
        refuse_after_fork(self.compute.device, on_torch=self.backend.name != backends.ONNXRUNTIME)
        plan = self._memory.plan(self._options, images, results)
        tiled = TiledPass(
            self._forward, plan, report, self.ensemble, self.card, self.compute, self._memory
        )
        tiled.restore(images, results, strength)
        return results

    def _forward(self, tiles: np.ndarray, windows: Pair, hold: str, share: Share) -> np.ndarray:
        """Apply the network to N x h x w x 3 float32 whose size is a multiple of its size rule."""
        return self.backend(tiles.transpose(0, 3, 1, 2), windows, hold, share).transpose(0, 2, 3, 1)
