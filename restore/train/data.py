"""Training pictures: read once, kept as 8-bit arrays, cut into patches.

Everything a step sees follows from (seed, step), so a resumed run continues exactly and no
generator state needs saving.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor

from restore.errors import ImageError, TrainingError
from restore.media import folder
from restore.media import image as media
from restore.train.config import TrainConfig

Degradation = Callable[[Tensor, Generator], Tensor]


@dataclass(frozen=True)
class TrainingData:
    """``clean``: H x W x 3 uint8 pictures; ``pairs``: (input, target) of equal shape."""

    clean: tuple[np.ndarray, ...]
    pairs: tuple[tuple[np.ndarray, np.ndarray], ...] = ()

    def __post_init__(self) -> None:
        if not self.clean and not self.pairs:
            raise TrainingError("no training pictures: give a folder of clean pictures or of pairs")


def read_clean(path: Path) -> tuple[np.ndarray, ...]:
    """Every picture directly in a folder, in order of name. Raises `TrainingError`."""
    with _as_training_error():
        return tuple(_read(picture) for picture in folder.pictures(path))


def read_pairs(path: Path) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """``path/input`` and ``path/target``, paired by name. Raises `TrainingError`; a mismatch is
    named."""
    pairs = []
    with _as_training_error():
        for source, target in folder.pairs(path / "input", path / "target"):
            pair = _read(source), _read(target)
            if pair[0].shape != pair[1].shape:
                raise TrainingError(f"{source} and {target} differ in size")
            pairs.append(pair)
    return tuple(pairs)


@contextmanager
def _as_training_error() -> Iterator[None]:
    try:
        yield
    except ImageError as error:
        raise TrainingError(str(error)) from error


def _read(path: Path) -> np.ndarray:
    pixels = media.read(path).pixels
    return np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels


class Sampler:
    """Batches for the steps of a run: (degraded, clean), each N x 3 x H x W float32."""

    def __init__(self, data: TrainingData, config: TrainConfig, degrade: Degradation):
        self.data = data
        self.config = config
        self.degrade = degrade
        # A large picture holds more patches: draw in proportion to area.
        self._clean_weights = _area_weights(data.clean)
        self._pair_weights = _area_weights([target for _, target in data.pairs])

    def batch(self, step: int, device: torch.device) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng((self.config.seed, step))
        generator = torch.Generator(device).manual_seed(int(rng.integers(2**62)))
        height, width = self.config.patches[rng.integers(len(self.config.patches))]
        count = max(1, round(self.config.pixels_per_step / (height * width)))
        wanted = self.config.pairs_fraction if self.data.clean else 1.0
        from_pairs = int((rng.random(count) < wanted).sum()) if self.data.pairs else 0
        degraded, clean = [], []
        if from_pairs < count:
            chosen = rng.choice(len(self.data.clean), count - from_pairs, p=self._clean_weights)
            target = _stack(
                (_cut(rng, (self.data.clean[i],), height, width) for i in chosen), device
            )
            clean.append(target[:, 0])
            degraded.append(self.degrade(target[:, 0], generator))
        if from_pairs:
            chosen = rng.choice(len(self.data.pairs), from_pairs, p=self._pair_weights)
            both = _stack((_cut(rng, self.data.pairs[i], height, width) for i in chosen), device)
            degraded.append(both[:, 0])
            clean.append(both[:, 1])
        return torch.cat(degraded), torch.cat(clean)


def _cut(
    rng: np.random.Generator, pictures: tuple[np.ndarray, ...], height: int, width: int
) -> np.ndarray:
    """The same random patch of each picture, flipped and turned alike: K x h x w x 3."""
    turned = bool(rng.integers(2))
    rows, columns = (width, height) if turned else (height, width)
    h, w, _ = pictures[0].shape
    top = int(rng.integers(max(h - rows, 0) + 1))
    left = int(rng.integers(max(w - columns, 0) + 1))
    patches = np.stack([p[top : top + rows, left : left + columns] for p in pictures])
    missing = (rows - patches.shape[1], columns - patches.shape[2])
    if any(missing):  # a picture smaller than the patch is mirrored at its far edges
        patches = np.pad(
            patches, ((0, 0), (0, missing[0]), (0, missing[1]), (0, 0)), mode="symmetric"
        )
    if turned:
        patches = patches.transpose(0, 2, 1, 3)
    for axis in (1, 2):
        if rng.integers(2):
            patches = np.flip(patches, axis)
    return patches


def _stack(patches: Iterable[np.ndarray], device: torch.device) -> Tensor:
    """N x K x 3 x h x w float32 in [0, 1]."""
    stacked = torch.from_numpy(np.stack(list(patches))).to(device)
    return stacked.permute(0, 1, 4, 2, 3).float() / 255


def _area_weights(pictures: Iterable[np.ndarray]) -> np.ndarray:
    areas = np.array([p.shape[0] * p.shape[1] for p in pictures], dtype=float)
    return areas / areas.sum() if len(areas) else areas
