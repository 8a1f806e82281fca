"""Batches of patches, cut from pictures on the device and degraded there.

A batch follows from (seed, step, part) alone. A resumed run therefore continues exactly, no
generator state is saved, and any process can make any part of a step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor

from restore.degrade.graphics import graphics
from restore.degrade.plain import plain
from restore.degrade.random import chance, per_picture
from restore.degrade.recipes import Recipe
from restore.errors import TrainingError
from restore.train.config import TrainConfig
from restore.train.sources import CLEAN, DEPTH, PAIRS, Pictures


@dataclass(frozen=True)
class Placement:
    """Positions of N patches, as arrays of N entries.

    ``picture`` is an index; ``top`` and ``left`` are in pixels; ``turned`` patches are transposed;
    ``upside_down`` and ``mirrored`` flip the rows and columns of the result.
    """

    picture: np.ndarray
    top: np.ndarray
    left: np.ndarray
    turned: np.ndarray
    upside_down: np.ndarray
    mirrored: np.ndarray


class Bank:
    """Pictures as one tensor of pixels on a device, so that cutting patches is one gather.

    ``pictures`` are H x W or H x W x C of one dtype and C.
    """

    def __init__(self, pictures: Sequence[np.ndarray], device: torch.device):
        sizes = np.array([p.shape[:2] for p in pictures], dtype=np.int64)
        starts = np.cumsum([0, *(h * w for h, w in sizes[:-1])])
        flat = np.concatenate([p.reshape(p.shape[0] * p.shape[1], -1) for p in pictures])
        self.sizes = sizes
        self._pixels = torch.from_numpy(flat).to(device)
        self._layout = torch.from_numpy(np.column_stack((sizes, starts))).to(device)

    def cut(self, place: Placement, height: int, width: int) -> Tensor:
        """Cut patches: N x C x height x width, in the pictures' dtype.

        Patches that leave their picture are filled with its mirror image.
        """
        device = self._pixels.device
        numbers = np.column_stack(
            (place.top, place.left, place.turned, place.upside_down, place.mirrored)
        )
        top, left, turned, upside_down, mirrored = (
            torch.from_numpy(numbers.astype(np.int64)).to(device)[:, :, None, None].unbind(1)
        )
        u = torch.arange(height, device=device)[:, None]
        v = torch.arange(width, device=device)
        u = torch.where(upside_down > 0, height - 1 - u, u)
        v = torch.where(mirrored > 0, width - 1 - v, v)
        rows, columns, start = self._layout[torch.from_numpy(place.picture).to(device)][
            :, :, None, None
        ].unbind(1)
        y = _mirror(top + torch.where(turned > 0, v, u), rows)
        x = _mirror(left + torch.where(turned > 0, u, v), columns)
        index = (start + y * columns + x).flatten()
        cut = self._pixels.index_select(0, index)
        return cut.view(len(place.picture), height, width, -1).permute(0, 3, 1, 2)


def _mirror(position: Tensor, side: Tensor) -> Tensor:
    """Reflect positions beyond a side back: ... 1 0 | 0 1 2 | 2 1 0 | 0 1 ..."""
    position = position.remainder(2 * side)
    return torch.minimum(position, 2 * side - 1 - position)


class Stock:
    """The pictures of a source on a device, to be cut and degraded by ``recipe``.

    ``share`` is the fraction of the source's weight that these pictures have.
    """

    def __init__(
        self, pictures: Pictures, recipe: Recipe, device: torch.device, share: float = 1.0
    ):
        self.kind = pictures.source.kind
        self.weight = pictures.source.weight * share
        self.device = device
        self._recipe = recipe
        columns = list(zip(*pictures.items, strict=True))
        if self.kind == DEPTH:
            if recipe.at_depth is None:
                raise TrainingError(f"{pictures.source.folder}: this task has no use for depth")
            self._metric = torch.tensor(np.array(columns.pop()), device=device)
        self._banks = [Bank(column, device) for column in columns]
        self.sizes = self._banks[0].sizes

    def patches(
        self, place: Placement, height: int, width: int, generator: Generator
    ) -> tuple[Tensor, Tensor]:
        """Return (degraded, clean), each N x 3 x height x width float32; clean is in [0, 1]."""
        first, *others = (bank.cut(place, height, width) for bank in self._banks)
        if self.kind not in (CLEAN, DEPTH):
            degraded, clean = first.float() / 255, others[0].float() / 255
            # A model's result holds for its input only, so such pairs are not degraded again.
            worse = self._recipe.pair if self.kind == PAIRS else None
            return (worse(degraded, clean, generator) if worse else degraded), clean
        clean = first.float() / 255
        if self.kind == DEPTH and self._recipe.at_depth:
            metric = self._metric[torch.from_numpy(place.picture).to(self.device)]
            return self._recipe.at_depth(clean, generator, others[0], metric), clean
        return self._recipe.degrade(clean, generator), clean


class Sampler:
    """Makes the batches of a run.

    ``sources`` lists kind, folder name, weight, number of pictures and digest of each source.
    Raises `TrainingError` where there are no pictures.
    """

    def __init__(
        self,
        sources: Sequence[Pictures],
        config: TrainConfig,
        recipe: Recipe,
        device: torch.device,
    ):
        if not any(pictures.items for pictures in sources):
            raise TrainingError("no training pictures: give a folder of clean pictures or of pairs")
        self.config = config
        self.device = device
        self.stocks = [
            Stock(pictures.reduced(side), recipe, device, 1 / len(config.sides))
            for pictures in sources
            if pictures.items
            for side in config.sides
        ]
        self.sources = [
            [p.source.kind, p.source.name, p.source.weight, len(p.items), p.digest()]
            for p in sources
        ]
        weights = np.array([stock.weight for stock in self.stocks])
        self._shares = weights / weights.sum()

    def batch(self, step: int, part: int = 0) -> tuple[Tensor, Tensor]:
        """Return (degraded, clean) of one part of a step, each N x 3 x H x W float32.

        ``part`` is below ``batches_per_step``.
        """
        config = self.config
        rng = np.random.default_rng((config.seed, step, part))
        generator = torch.Generator(self.device).manual_seed(int(rng.integers(2**62)))
        height, width = config.patches[rng.integers(len(config.patches))]
        count = max(1, round(config.pixels_per_step / (height * width)))
        drawn = rng.multinomial(count, self._shares)
        made = [
            stock.patches(_draw(rng, stock.sizes, n, height, width), height, width, generator)
            for stock, n in zip(self.stocks, drawn, strict=True)
            if n
        ]
        degraded, clean = (torch.cat(parts) for parts in zip(*made, strict=True))
        for make, fraction in ((plain, config.plain), (graphics, config.graphics)):
            if fraction:
                images = make(len(clean), height, width, generator)
                chosen = per_picture(chance(len(clean), clean, generator, fraction))
                degraded, clean = (torch.where(chosen, images, side) for side in (degraded, clean))
        if config.untouched:
            chosen = per_picture(chance(len(clean), clean, generator, config.untouched))
            degraded = torch.where(chosen, clean, degraded)
        return degraded, clean


def _draw(
    rng: np.random.Generator, sizes: np.ndarray, count: int, height: int, width: int
) -> Placement:
    """Draw patches in any of the eight orientations, from pictures in proportion to their area."""
    areas = sizes.prod(axis=1)
    chosen = rng.choice(len(sizes), count, p=areas / areas.sum())
    turned, upside_down, mirrored = rng.integers(2, size=(3, count)).astype(bool)
    extent = np.where(turned[:, None], (width, height), (height, width))
    top, left = rng.integers(np.maximum(sizes[chosen] - extent, 0) + 1).T
    return Placement(chosen, top, left, turned, upside_down, mirrored)


def centre(sizes: np.ndarray, height: int, width: int) -> Placement:
    """Return the middle of every picture, without a turn or flip."""
    top, left = np.maximum(sizes - (height, width), 0).T // 2
    no = np.zeros(len(sizes), dtype=bool)
    return Placement(np.arange(len(sizes)), top, left, no, no, no)
