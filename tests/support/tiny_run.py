"""The smallest training runs that still are runs, for tests and the processes they start."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from restore.degrade import gaussian_noise
from restore.degrade.recipes import Recipe
from restore.networks.maxim import MaximConfig
from restore.train.config import TrainConfig
from restore.train.data import Sampler
from restore.train.devices import Team
from restore.train.loop import Progress, Trainer
from restore.train.sources import CLEAN, PAIRS, Pictures, Source

Degradation = Callable[[Tensor, Generator], Tensor]
CPU = torch.device("cpu")
NETWORK = MaximConfig(
    features=4,
    depth=2,
    num_stages=1,
    num_groups=1,
    num_bottleneck_blocks=1,
    num_supervision_scales=1,
    block_size_hr=(4, 4),
    block_size_lr=(4, 4),
    grid_size_hr=(4, 4),
    grid_size_lr=(4, 4),
    stem_factor=2,
)
CONFIG = TrainConfig(
    network=NETWORK,
    steps=6,
    pixels_per_step=2 * 32 * 32,
    patches=((32, 32),),
    warmup_steps=2,
    ema_decay=0.9,
    precision="float32",
)


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Flat squares of random colours: uint8, easy to learn."""
    squares = (-(-height // 8), -(-width // 8), 3)
    colours = np.random.default_rng(seed).integers(0, 256, squares, dtype=np.uint8)
    return colours.repeat(8, axis=0).repeat(8, axis=1)[:height, :width]


def noise(clean: Tensor, generator: Generator) -> Tensor:
    return gaussian_noise(clean, 0.2, generator)


def clean_pictures(*pictures: np.ndarray, weight: float = 1.0) -> Pictures:
    return Pictures(Source(CLEAN, Path("clean"), weight), tuple((p,) for p in pictures))


def picture_pairs(*pairs: tuple[np.ndarray, np.ndarray], weight: float = 1.0) -> Pictures:
    """Each pair: (input, target)."""
    return Pictures(Source(PAIRS, Path("pairs"), weight), pairs)


def sampler(config: TrainConfig = CONFIG, degrade: Degradation = noise) -> Sampler:
    pictures = clean_pictures(picture(40, 56), picture(64, 48, seed=1))
    return Sampler([pictures], config, Recipe(degrade), CPU)


def trainer(folder: Path, config: TrainConfig = CONFIG) -> Trainer:
    return Trainer(config, sampler(config), folder, Team(CPU))


def rows(run: Trainer) -> list[Progress]:
    """Run to the end, reporting every step."""
    found: list[Progress] = []
    run.run(found.append, report_every=1)
    return found


class StoppedError(Exception):
    pass


def run_until(run: Trainer, step: int) -> None:
    """Run until a step has been trained, and fail before it is saved."""

    def stop(row: Progress) -> None:
        if row.step == step:
            raise StoppedError

    with pytest.raises(StoppedError):
        run.run(stop, report_every=1)


def values(trainer: Trainer) -> dict[str, Tensor]:
    """All that the next steps depend on; moments only of parameters that were ever trained."""
    found = {f"model {name}": value for name, value in trainer.model.state_dict().items()}
    found |= {f"ema {name}": value for name, value in trainer.ema.state_dict().items()}
    for name, parameter in trainer.model.named_parameters():
        moments = trainer.optimizer.state.get(parameter, {})
        if moments and moments["exp_avg_sq"].any():
            found |= {f"{key} {name}": value for key, value in moments.items()}
    counts = torch.tensor((trainer.step, trainer.patches, trainer.skipped))
    return {name: value.detach().clone() for name, value in found.items()} | {"counts": counts}


def assert_same(one: Trainer, other: Trainer) -> None:
    """Bit for bit."""
    torch.testing.assert_close(values(one), values(other), rtol=0, atol=0)
