"""The one way from a picture to a better picture."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from restore.checkpoints import store
from restore.checkpoints.card import FLOAT32, TILES, TilePolicy
from restore.engine import backend as backends
from restore.engine import budget, pixels
from restore.engine.budget import SMALLEST, NotEnoughMemoryError
from restore.engine.frames import AHEAD, Frame, batch_size, check_count, restored_frames
from restore.engine.guided import Carried, evidence, reduced, strips
from restore.engine.padding import Padding, margin
from restore.engine.temporal import Steadier
from restore.engine.tiling import Band, Place, plan_axis, run_tiled
from restore.errors import CheckpointError, RestoreError, UsageError

_log = logging.getLogger("restore")
Progress = Callable[[int, int], None]


def _ignore(done: int, total: int) -> None:
    pass


class Restorer:
    """Restores pictures with one model, which is loaded once.

    Arguments:
        task: one of `restore.TASKS`.
        model: a model's name or file; by default the head's first installed one.
        device: "auto" (cuda, then mps, then cpu), "cpu", "cuda", "cuda:1", "mps".
        precision: "auto" (the fastest the model's card says is safe), "float32", "bfloat16".
        tile: "auto" (the card's policy), "off" (the whole picture at once), or the side of a
            tile in pixels. Heads that judge a whole scene see a large picture reduced under
            "auto", and all of its pixels otherwise.
        overlap: pixels that neighbouring tiles share; by default the card's.
        max_memory: bytes, or such as "4GiB", that tiles under "auto" keep within, pictures and
            results included; by default a part of what is free. Where memory runs out all the
            same, tiles of half the size are tried, and a warning is logged.
        strength: blend with the input; 0 returns it, 1 is the full effect.
        ensemble: average the results of the eight flips and quarter turns: 8 times the time,
            a little more quality.
        backend: "torch", or "onnxruntime" (an extra), which exports a model at its first use and
            computes in float32.

    Raises `ModelNotFoundError` where no weights are installed, with the command that gets them,
    `CheckpointError` for a file that is not a model of the task, `UsageError` for an option that
    does not exist, and `RestoreError` for a device that is not there or too little memory.
    """

    def __init__(
        self,
        task: str,
        model: str | Path | None = None,
        *,
        device: str = "auto",
        precision: str = "auto",
        tile: str | int = "auto",
        overlap: int | None = None,
        max_memory: int | str | None = None,
        strength: float = 1.0,
        ensemble: bool = False,
        backend: str = backends.TORCH,
    ):
        if not isinstance(strength, int | float) or not 0 <= strength <= 1:
            raise UsageError(f"strength is {strength!r}; it must be between 0 and 1")
        found = store.find(task, model)
        self.task = task
        self.card = found.card
        self.strength = strength
        self.ensemble = ensemble
        self.max_memory = budget.parsed(max_memory) if isinstance(max_memory, str) else max_memory
        self._automatic = tile == "auto"
        self._tiles = _tile_policy(tile, overlap, self.card.tile or TILES)
        if self.card.network.num_outputs != 3:
            raise CheckpointError(f"{found.path}: makes no RGB pictures; it cannot restore any")
        self.backend = backends.load(backend, found, device, precision)
        self.compute = self.backend.compute

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
        self, images: Sequence[np.ndarray], progress: Progress = _ignore
    ) -> list[np.ndarray]:
        """`__call__` of pictures of one height and width, all of them at once."""
        for image in images:
            pixels.check(image)
        if self.strength == 0:
            return [
                np.clip(image, 0, 1) if image.dtype.kind == "f" else image.copy()
                for image in images
            ]
        policy = self._policy(images)
        while True:
            try:
                return self._attempt(images, policy, progress)
            except NotEnoughMemoryError:
                policy = self._smaller(policy, images[0].shape[:2])

    def _policy(self, images: Sequence[np.ndarray]) -> TilePolicy:
        """The tiles asked for; under "auto", no larger than the memory allows."""
        memory = self.card.memory.get(self.compute.device.type, {})
        if not self._automatic or self.compute.precision not in memory:
            return self._tiles
        most = self.max_memory or budget.share_of_free(self.compute.device)
        # What is held besides: the picture (where it counts), the result, some rows of floats.
        whole = sum(image.nbytes for image in images) * (2 if self.max_memory else 1)
        held = whole + 3 * self._tiles.size * images[0].shape[1] * 12 * len(images)
        pixels_ = int((most - held) / memory[self.compute.precision] / len(images))
        return budget.within(self._tiles, pixels_)

    def _smaller(self, policy: TilePolicy, shape: tuple[int, ...]) -> TilePolicy:
        """For another attempt, after ``policy`` has proved too large for a picture."""
        whole = shape[0] * shape[1] <= policy.whole_up_to
        side = (max(shape) if whole else policy.size) // 2
        if side < SMALLEST:
            raise RestoreError(f"not enough memory for tiles of {2 * side} pixels a side")
        _log.warning("not enough memory; going on with tiles of %d pixels a side", side)
        return replace(policy, size=side, whole_up_to=0)

    def _attempt(
        self, images: Sequence[np.ndarray], policy: TilePolicy, progress: Progress
    ) -> list[np.ndarray]:
        greys = [pixels.is_grey(image) for image in images]
        results = [np.empty_like(image) for image in images]
        for rows, bands in self._bands(images, policy, progress):
            self._check_finite(bands)
            for image, grey, result, band in zip(images, greys, results, bands, strict=True):
                part = image[rows]
                if self.strength < 1:
                    source = pixels.to_float(part)
                    band = source + np.float32(self.strength) * (band - source)
                result[rows] = pixels.from_float(band, part, grey)
        return results

    def _check_finite(self, bands: np.ndarray) -> None:
        if not np.isfinite(bands).all():
            precision = self.compute.precision
            advice = "" if precision == FLOAT32 else f"; try precision {FLOAT32}"
            raise RestoreError(f"{self.card.name} produced NaN or infinity in {precision}{advice}")

    def _bands(
        self, images: Sequence[np.ndarray], policy: TilePolicy, progress: Progress
    ) -> Iterator[Band]:
        """The pictures restored, from top to bottom: rows, and N x rows x W x 3 float32."""
        if not policy.reduce_to:
            yield from self._tiled(images, policy, progress)
            return
        seen = [reduced(image, policy.reduce_to) for image in images]
        better = np.concatenate([band for _, band in self._tiled(seen, policy, progress)], axis=1)
        height = images[0].shape[0]
        changes = [
            Carried(small, small + evidence(small) * (one - small), height)
            for small, one in zip(seen, better, strict=True)
        ]
        for rows in strips(height):
            pairs = zip(images, changes, strict=True)
            yield (
                rows,
                _stacked([change(rows, pixels.to_float(image[rows])) for image, change in pairs]),
            )

    def _tiled(
        self, images: Sequence[np.ndarray], policy: TilePolicy, progress: Progress
    ) -> Iterator[Band]:
        """Every pixel through the network, whole or tiled."""
        shape, multiples = images[0].shape[:2], self.card.network.size_multiple
        limits = tuple(-(-length // m) * m for length, m in zip(shape, multiples, strict=True))
        if limits[0] * limits[1] > policy.whole_up_to:  # counted as padded: thin pictures grow
            limits = tuple(max(m, policy.size // m * m) for m in multiples)
        rows, columns = (
            plan_axis(length, limit, policy.overlap, m)
            for length, limit, m in zip(shape, limits, multiples, strict=True)
        )
        views = 8 if self.ensemble else 1
        total, finished = views * len(rows.starts) * len(columns.starts), 0

        def report() -> None:
            nonlocal finished
            finished += 1
            progress(finished, total)

        def run(place: Place) -> np.ndarray:
            tiles = _stacked([pixels.to_float(image[place]) for image in images])
            return self._views(tiles, views, report)

        yield from run_tiled(rows, columns, run)

    def _views(self, tiles: np.ndarray, views: int, report: Callable[[], None]) -> np.ndarray:
        """N x h x w x 3 float32, of any size, to the same: the mean over the first ``views`` of its
        eight symmetries."""
        total = None
        for view in range(views):
            turned = _turn(tiles, view)
            multiples = self.card.network.size_multiple
            padding = Padding(
                *(margin(n, m) for n, m in zip(turned.shape[1:3], multiples, strict=True))
            )
            restored = padding.crop(self._forward(padding.apply(turned)))
            result = _turn_back(restored, view)
            total = result if total is None else total + result
            report()
        assert total is not None
        return total / views if views > 1 else total

    def _forward(self, tiles: np.ndarray) -> np.ndarray:
        """N x h x w x 3 float32 whose size the network takes, to the same."""
        return self.backend(tiles.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)


def _tile_policy(tile: str | int, overlap: int | None, automatic: TilePolicy) -> TilePolicy:
    if overlap is not None:
        if isinstance(overlap, bool) or not isinstance(overlap, int) or overlap < 0:
            raise UsageError(f"overlap is {overlap!r}; it is a number of pixels, 0 or more")
        automatic = replace(automatic, overlap=overlap)
    if tile == "auto":
        return automatic
    if tile == "off":
        return TilePolicy(size=0, overlap=0, whole_up_to=2**62)
    try:
        size = int(tile)
    except (TypeError, ValueError, OverflowError):
        size = 0
    if size < 1:
        raise UsageError(f"tile is {tile!r}; use auto, off, or a side in pixels")
    return TilePolicy(size=size, overlap=automatic.overlap, whole_up_to=0)


def _stacked(images: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures of one shape as one array; a single one is not copied."""
    return images[0][None] if len(images) == 1 else np.stack(images)


def _turn(images: np.ndarray, view: int) -> np.ndarray:
    """N x H x W x 3 in one of the eight symmetries of the square: ``view % 4`` quarter turns, then
    a flip."""
    turned = np.rot90(images, view % 4, axes=(1, 2))
    return turned[:, :, ::-1] if view >= 4 else turned


def _turn_back(images: np.ndarray, view: int) -> np.ndarray:
    flipped = images[:, :, ::-1] if view >= 4 else images
    return np.rot90(flipped, -(view % 4), axes=(1, 2))
