"""The one way from a picture to a better picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import torch

from restore.checkpoints import store, weights
from restore.checkpoints.card import FLOAT32, TILES, TilePolicy
from restore.engine import pixels
from restore.engine.frames import AHEAD, Frame, batch_size, restored_frames
from restore.engine.guided import carried_over, evidence, reduced
from restore.engine.padding import Padding, margin
from restore.engine.precision import choose
from restore.engine.temporal import Steadier
from restore.engine.tiling import plan_axis, run_tiled
from restore.errors import CheckpointError, RestoreError, UsageError

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
        strength: blend with the input; 0 returns it, 1 is the full effect.
        ensemble: average the results of the eight flips and quarter turns: 8 times the time,
            a little more quality.

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
        strength: float = 1.0,
        ensemble: bool = False,
    ):
        if not isinstance(strength, int | float) or not 0 <= strength <= 1:
            raise UsageError(f"strength is {strength!r}; it must be between 0 and 1")
        found = store.find(task, model)
        self.task = task
        self.card = found.card
        self.strength = strength
        self.ensemble = ensemble
        self.compute = choose(device, precision, self.card)
        self._tiles = _tile_policy(tile, self.card.tile or TILES)
        if self.card.network.num_outputs != 3:
            raise CheckpointError(f"{found.path}: makes no RGB pictures; it cannot restore any")
        network = weights.load(found.path, found.card)
        self._network = network.to(self.compute.device, self.compute.dtype)

    def __call__(self, image: np.ndarray, progress: Progress = _ignore) -> np.ndarray:
        """Restore one picture.

        ``image``: H x W x 3 (RGB) or H x W (grey), uint8, uint16, or float32 nominally in
        [0, 1] (noise may lie outside and is not clipped), encoded as a file is. At least 1 x 1.
        Returns the same shape and dtype; integers are rounded, floats clipped to [0, 1]. A
        picture with three equal channels keeps them equal.

        ``progress`` is called with the number of finished tiles and of all. Raises `ImageError`
        for another shape or dtype and for NaN or infinity, `RestoreError` if the result is not
        finite. The same picture gives the same bytes on a CPU.
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
        or when the iterator is closed or dropped. ``batch`` frames of one size go through the
        network at once, by default as many as are faster on the device. One at a time, as on a
        CPU, they have the bytes that `__call__` gives; among others, the last digits differ.

        An error of ``frames`` is raised where the frame would have come, after those before it.
        Raises `ImageError` with the number, from 0, of a frame that cannot be restored.
        """
        if batch is not None and batch < 1:
            raise UsageError(f"batch is {batch}; it is a number of frames, 1 or more")
        sizes = partial(batch_size, self.compute.device) if batch is None else lambda size: batch
        steadier = Steadier() if steady is True else steady or None
        return restored_frames(frames, self._together, sizes, steadier, ahead)

    def _together(
        self, images: Sequence[np.ndarray], progress: Progress = _ignore
    ) -> list[np.ndarray]:
        """`__call__` of pictures of one height and width, all of them at once."""
        source = _stacked([pixels.to_float(image) for image in images])
        restored = source if self.strength == 0 else self._restored(source, progress)
        return [pixels.from_float(*pair) for pair in zip(restored, images, strict=True)]

    def _restored(self, source: np.ndarray, progress: Progress) -> np.ndarray:
        """N x H x W x 3 float32 to the same, with all options, not clipped."""
        views = range(8) if self.ensemble else range(1)
        total = np.zeros_like(source) if self.ensemble else None
        for view in views:

            def report(done: int, tiles: int, view: int = view) -> None:
                progress(view * tiles + done, len(views) * tiles)

            turned = _turn(source, view)
            result = _turn_back(self._run(turned, report), view)
            if total is None:
                total = result
            else:
                total += result
        assert total is not None
        restored = total / len(views) if self.ensemble else total
        if not np.isfinite(restored).all():
            precision = self.compute.precision
            advice = "" if precision == FLOAT32 else f"; try precision {FLOAT32}"
            raise RestoreError(f"{self.card.name} produced NaN or infinity in {precision}{advice}")
        if self.strength < 1:
            restored = source + np.float32(self.strength) * (restored - source)
        return restored

    def _run(self, images: np.ndarray, progress: Progress) -> np.ndarray:
        """N x H x W x 3 float32 through the network, as the tile policy has it."""
        side = self._tiles.reduce_to
        if not side:
            return self._pixel_by_pixel(images, progress)
        seen = _stacked([reduced(image, side) for image in images])
        restored = self._pixel_by_pixel(seen, progress)
        return _stacked(
            [
                carried_over(image, small, small + evidence(small) * (better - small))
                for image, small, better in zip(images, seen, restored, strict=True)
            ]
        )

    def _pixel_by_pixel(self, images: np.ndarray, progress: Progress) -> np.ndarray:
        """Every pixel of N x H x W x 3 through the network, whole or tiled."""
        shape, multiples = images.shape[1:3], self.card.network.size_multiple
        policy = self._tiles
        limits = tuple(-(-length // m) * m for length, m in zip(shape, multiples, strict=True))
        if limits[0] * limits[1] > policy.whole_up_to:  # counted as padded: thin pictures grow
            limits = tuple(max(m, policy.size // m * m) for m in multiples)
        # An axis that fits into one tile is padded to the size rule; a longer one is covered by
        # tiles that obey it by themselves.
        fits = [length <= limit for length, limit in zip(shape, limits, strict=True)]
        margins = [
            margin(length, m) if fit else (0, 0)
            for length, m, fit in zip(shape, multiples, fits, strict=True)
        ]
        padding = Padding(*margins)
        padded = padding.apply(images)
        rows, columns = (
            plan_axis(length, limit, policy.overlap, m)
            for length, limit, m in zip(padded.shape[1:3], limits, multiples, strict=True)
        )
        return padding.crop(run_tiled(padded, rows, columns, self._forward, progress))

    @torch.inference_mode()
    def _forward(self, tiles: np.ndarray) -> np.ndarray:
        """N x h x w x 3 float32 whose size the network takes, to the same."""
        # torch shares the memory, and warns where it may not write to it.
        x = torch.from_numpy(np.require(tiles, requirements=["C", "W"])).to(self.compute.device)
        # cuDNN would round float32 to TF32, which is less than the precision promised.
        with torch.backends.cudnn.flags(allow_tf32=False), _memory_errors_explained():
            y = self._network(x.permute(0, 3, 1, 2))
        return y.permute(0, 2, 3, 1).float().cpu().numpy()


@contextmanager
def _memory_errors_explained() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        # On a CPU, torch has no type of its own for this.
        if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
            raise RestoreError("not enough memory; choose a smaller tile, say 256") from error
        raise


def _tile_policy(tile: str | int, automatic: TilePolicy) -> TilePolicy:
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
