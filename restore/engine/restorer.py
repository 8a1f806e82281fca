"""The one way from a picture to a better picture."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from restore.checkpoints import store
from restore.checkpoints.card import FLOAT32, TilePolicy
from restore.checkpoints.cut import cut_model
from restore.engine import backend as backends
from restore.engine import budget, pixels
from restore.engine.batches import batch_size
from restore.engine.budget import NotEnoughMemoryError
from restore.engine.fitting import Attempt, Memory, held, why_ignored
from restore.engine.frames import AHEAD, Frame, check_count, restored_frames
from restore.engine.guided import Carried, evidence, reduced, strips
from restore.engine.padding import Padding, margin
from restore.engine.policy import (
    EXACT,
    WINDOW,
    asked,
    is_fitted,
    window_borders,
    windows,
    without_windows,
)
from restore.engine.symmetries import turn, turn_back
from restore.engine.temporal import Steadier
from restore.engine.tiling import Band, Place, plan, run_tiled
from restore.errors import CheckpointError, RestoreError, UsageError
from restore.rows import Rows, Sink

_log = logging.getLogger("restore")
Progress = Callable[[int, int], None]


def _ignore(done: int, total: int) -> None:
    pass


class Restorer:
    """Restores pictures with one model, which is loaded once.

    Arguments:
        task: one of `restore.TASKS`.
        model: a model's name or file; by default the head's model of ``quality``.
        quality: "standard" (the default; a smaller model where it is not installed), "fast" or
            "best" (the official model, once it is installed). Not together with ``model``.
        stages: stop a network of several stages after so many, at that cost; by default none.
        device: "auto" (cuda, then mps, then cpu), "cpu", "cuda", "cuda:1", "mps".
        precision: "auto" (the fastest the model's card says is safe), "float32", "bfloat16".
        tile: "auto" (the card's policy); the side of a tile in pixels; "window" (large tiles, in
            which what mixes far pixels is confined to windows of the training size); "exact" (the
            whole picture, a part of every layer at a time); "off" (the whole picture at once, for
            the same result in more memory). Heads that judge a whole scene see a large picture
            reduced under "auto", and all of its pixels otherwise. Or a `TilePolicy` of one's own.
        reduce: pixels of the shorter side at which the network sees a picture; the change is
            carried over to all pixels. "off" shows it every pixel. By default as ``tile`` says.
        overlap: pixels that neighbouring tiles share; by default the card's.
        max_memory: bytes, or such as "4GiB", that tiles under "auto" and "window" keep within,
            pictures and results included, on a device for which the card says what the model
            takes; by default a part of what is free. Where memory runs out all the same, "exact"
            is tried for "off", tiles one at a time, for good, where a GPU took several, then tiles
            of half the size, and a warning is logged.
        workers: so many threads that restore pictures at a time share that memory.
        strength: blend with the input; 0 returns it, 1 is the full effect.
        ensemble: average the results of the eight flips and quarter turns: 8 times the time,
            a little more quality.
        backend: "torch"; "onnxruntime" (an extra), which exports a model at its first use and
            computes in float32; "triton", kernels for CUDA GPUs, on none of which they have run; or
            "plain", torch's plain operators, which the others are compared with.

    Raises `ModelNotFoundError` where no weights are installed, with the command that gets them,
    `CheckpointError` for a file that is not a model of the task, `UsageError` for an option that
    does not exist, and `RestoreError` for a device that is not there or too little memory.
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
        if not isinstance(strength, int | float) or not 0 <= strength <= 1:
            raise UsageError(f"strength is {strength!r}; it must be between 0 and 1")
        found = cut_model(store.find(task, model, quality), stages)
        self.task = task
        self.card = found.card
        self.strength = strength
        self.ensemble = ensemble
        check_count("workers", workers, 1, of="threads")
        self.max_memory = None if max_memory is None else budget.parsed(str(max_memory))
        self._asked = Attempt(asked(tile, overlap, self.card, reduce), held(tile))
        if self.card.network.num_outputs != 3:
            raise CheckpointError(f"{found.path}: makes no RGB pictures; it cannot restore any")
        self.backend = backends.load(backend, found, device, precision)
        self.compute = self.backend.compute
        if not self.backend.by_windows:
            if tile in (WINDOW, EXACT):
                raise UsageError(f"tile {tile!r}: backend {self.backend.name} cannot; use auto")
            self._asked = Attempt(without_windows(self._asked.tiles), backends.SOME)
        self._memory = Memory(self.card, self.backend, self.max_memory, workers)
        self._fitted = is_fitted(tile) and self._memory.is_measured
        if self.max_memory and not self._fitted:
            why = why_ignored(tile, self.backend, task, model or self.card.name)
            _log.warning("max memory is ignored: %s", why)

    @property
    def tiles(self) -> TilePolicy:
        """How images are reduced and cut, before tiles are made smaller to fit the memory."""
        return self._asked.tiles

    def __call__(self, image: np.ndarray, progress: Progress = _ignore) -> np.ndarray:
        """Restore one picture.

        ``image``: H x W x 3 (RGB) or H x W (grey), uint8, uint16, or float32 nominally in
        [0, 1] (noise may lie outside and is not clipped), encoded as a file is. At least 1 x 1.
        Returns the same shape and dtype; integers are rounded, floats clipped to [0, 1]. A
        picture with three equal channels keeps them equal.

        ``progress`` is called with the number of finished tiles and of all. Raises `ImageError`
        for another shape or dtype and for NaN or infinity, `RestoreError` if the result is not
        finite. The same picture in the same tiles gives the same bytes on a CPU.
        """
        return self._together([image], progress)[0]

    def borders(self, image: np.ndarray) -> tuple[Sequence[int], Sequence[int]]:
        """Where tiles and windows of a picture meet, by rows and by columns, each as the index of
        what comes after; none where the network does not see the picture itself."""
        policy, multiples = self._policy([image]), self.card.network.size_multiple
        if policy.reduce_to:
            return (), ()
        axes = plan(image.shape[:2], policy, multiples)
        rows, columns = (
            sorted({*axis.borders(), *window_borders(axis, m, policy.window)})
            for axis, m in zip(axes, multiples, strict=True)
        )
        return rows, columns

    def by_rows(
        self, image: np.ndarray | Rows, into: np.ndarray | Sink, progress: Progress = _ignore
    ) -> None:
        """`__call__` of a picture that need not be held: the same in the same tiles. A budget
        may allow larger ones.

        It is put ``into`` what takes it by rows, ``into[rows] = pixels``, from top to bottom; where
        memory ran out, from row 0 on again.
        """
        self._together([image], progress, into)

    def frames(
        self,
        frames: Iterable[Frame],
        *,
        steady: Steadier | bool = False,
        ahead: int = AHEAD,
        batch: int | None = None,
    ) -> Iterator[Frame]:
        """Restore one frame after the other; yields as many, in order.

        ``frames``: arrays as `__call__` takes them, or tensors: 3 x H x W (RGB), 1 x H x W or
        H x W (grey), uint8, uint16, or floats of any width, on any device. What comes out has the
        shape, dtype and device of what went in. The size may change from frame to frame.

        ``steady`` lowers flicker (see `Steadier`, one of which goes on where it has been). At most
        ``ahead`` frames are read before they are needed, in a thread; it ends with the last frame,
        or when the iterator is closed or dropped, which waits for a read in progress. ``batch``
        frames of one size go through the network at once, by default as many as are faster on the
        device. One at a time, as on a CPU, they have the bytes that `__call__` gives; among others,
        the last digits differ.

        An error of ``frames`` is raised where the frame would have come, after those before it.
        Raises `ImageError` with the number, from 0, of a frame that cannot be restored.
        """
        if batch is not None:
            check_count("batch", batch, 1)
        sizes = partial(batch_size, self.compute.device) if batch is None else lambda size: batch
        steadier = Steadier() if steady is True else steady or None
        return restored_frames(frames, self._together, sizes, steadier, ahead)

    def _together(
        self,
        images: Sequence[np.ndarray | Rows],
        progress: Progress = _ignore,
        into: np.ndarray | Sink | None = None,
    ) -> list[Any]:
        """`__call__` of pictures of one height and width, all of them at once."""
        for image in images:
            pixels.check(image[:1] if isinstance(image, Rows) else image)
        results = [np.empty(i.shape, i.dtype) if into is None else into for i in images]
        if self.strength == 0:
            for image, result in zip(images, results, strict=True):
                _copy(image, result)
            return results
        tiles = self._policy(images, results)
        at_once = self._memory.at_once(tiles, images[0].shape, len(images))
        attempt = Attempt(tiles, self._asked.hold, at_once)
        while True:
            try:
                self._attempt(images, results, attempt, progress)
                return results
            except NotEnoughMemoryError:
                attempt = self._memory.lighter(attempt, images[0].shape)

    def _policy(
        self,
        images: Sequence[np.ndarray | Rows],
        results: Sequence[np.ndarray | Sink] | None = None,
    ) -> TilePolicy:
        """The tiles asked for; those that may be smaller, no larger than the memory allows."""
        if not self._fitted:
            return self._asked.tiles
        return self._memory.fitted(
            self._asked.tiles, images, images if results is None else results
        )

    def _attempt(
        self,
        images: Sequence[np.ndarray | Rows],
        results: Sequence[np.ndarray | Sink],
        attempt: Attempt,
        progress: Progress,
    ) -> None:
        greys = [pixels.is_grey(image) for image in images]
        for rows, bands in self._bands(images, attempt, progress):
            for image, grey, result, band in zip(images, greys, results, bands, strict=True):
                self._put(band, rows, image, grey, result)
            del bands, band  # before the next ones are made

    def _put(
        self,
        band: np.ndarray,
        rows: slice,
        image: np.ndarray | Rows,
        grey: bool,
        result: np.ndarray | Sink,
    ) -> None:
        """Those rows of a picture, restored, into the result: some at a time."""
        for strip in strips(len(band)):
            place = slice(rows.start + strip.start, rows.start + strip.stop)
            self._check_finite(band[strip])
            result[place] = pixels.from_float(band[strip], image[place], grey, self.strength)

    def _check_finite(self, restored: np.ndarray) -> None:
        if not np.isfinite(restored).all():
            precision = self.compute.precision
            advice = "" if precision == FLOAT32 else f"; try precision {FLOAT32}"
            raise RestoreError(f"{self.card.name} produced NaN or infinity in {precision}{advice}")

    def _bands(
        self, images: Sequence[np.ndarray | Rows], attempt: Attempt, progress: Progress
    ) -> Iterator[Band]:
        """The pictures restored, from top to bottom: rows, and N x rows x W x 3 float32."""
        side = attempt.tiles.reduce_to
        if not side:
            yield from self._tiled(images, attempt, progress)
            return
        small = [reduced(image, side) for image in images]
        better = np.concatenate([band for _, band in self._tiled(small, attempt, progress)], axis=1)
        height = images[0].shape[0]
        changes = [
            Carried(before, before + evidence(before) * (after - before), height)
            for before, after in zip(small, better, strict=True)
        ]
        for rows in strips(height):
            pairs = zip(images, changes, strict=True)
            yield (
                rows,
                _stacked([change(rows, pixels.to_float(image[rows])) for image, change in pairs]),
            )

    def _tiled(
        self, images: Sequence[np.ndarray | Rows], attempt: Attempt, progress: Progress
    ) -> Iterator[Band]:
        """Every pixel through the network, whole or tiled."""
        multiples = self.card.network.size_multiple
        rows, columns = plan(images[0].shape[:2], attempt.tiles, multiples)
        views = 8 if self.ensemble else 1
        total, finished = views * len(rows.starts) * len(columns.starts), 0

        def report(tiles: int) -> None:
            nonlocal finished
            for _ in range(tiles):
                finished += 1
                progress(finished, total)

        def run(places: Sequence[Place]) -> list[np.ndarray]:
            tiles = _stacked([pixels.to_float(image[p]) for p in places for image in images])
            restored = self._views(tiles, attempt, views, partial(report, len(places)))
            return np.split(restored, len(places))

        yield from run_tiled(rows, columns, run, attempt.at_once)

    def _views(
        self, tiles: np.ndarray, attempt: Attempt, views: int, report: Callable[[], None]
    ) -> np.ndarray:
        """N x h x w x 3 float32, of any size, to the same: the mean over the first ``views`` of its
        eight symmetries."""
        total = None
        for view in range(views):
            turned = turn(tiles, view)
            sides = [*zip(turned.shape[1:3], self.card.network.size_multiple, strict=True)]
            down, across = (windows(length, m, attempt.tiles.window) for length, m in sides)
            cut = zip(sides, (down, across), strict=True)
            padding = Padding(*(margin(length, m * n) for (length, m), n in cut))
            whole = self._forward(padding.apply(turned), (down, across), attempt.hold)
            restored = padding.crop(whole)
            result = turn_back(restored, view)
            total = result if total is None else total + result
            report()
        assert total is not None
        return total / views if views > 1 else total

    def _forward(self, tiles: np.ndarray, cut: tuple[int, int], hold: str) -> np.ndarray:
        """N x h x w x 3 float32 whose size the network takes, to the same."""
        pictures = tiles.transpose(0, 3, 1, 2)
        return self.backend(pictures, cut, hold).transpose(0, 2, 3, 1)


def _copy(image: np.ndarray | Rows, result: np.ndarray | Sink) -> None:
    """Floats clipped to black and white."""
    for rows in strips(image.shape[0]):
        part = image[rows]
        result[rows] = np.clip(part, 0, 1) if part.dtype.kind == "f" else part


def _stacked(images: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures of one shape as one array; a single one is not copied."""
    return images[0][None] if len(images) == 1 else np.stack(images)
