"""Features of a bank's views on disk: what the trunk has learned, and the statistics.

Arrays ``NNNN.npy``, samples x views x features float32 with the scene last, one for each chunk of
the bank: statistics in the folder ``statistics`` of the bank, where they serve all runs, and what a
run has learned in its folder ``learned-BANK``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import sample_bank
import torch
from torch import Tensor

from restore.files import atomic_path
from restore.networks.judge.network import PLACE, SCENE, JudgeNetwork
from restore.networks.judge.statistics import Statistics

LEAST_SPREAD = 1e-3


@dataclass(frozen=True)
class Features:
    """Of N samples: ``learned`` and ``statistics``, N x views x features; labels, kinds."""

    learned: np.ndarray
    statistics: np.ndarray
    labels: np.ndarray
    kinds: np.ndarray


def write_statistics(bank: Path, chunks: range) -> None:
    """Compute the statistics that are missing. Raises `FileNotFoundError` for a chunk that the bank
    lacks."""
    _write(_statistics(bank), bank, chunks, Statistics())


def write_learned(network: JudgeNetwork, bank: Path, run: Path, chunks: range) -> None:
    """Compute the learned features that are missing; raises as `write_statistics` does."""
    _write(_learned(bank, run), bank, chunks, partial(_learn, network))


def _write(folder: Path, bank: Path, chunks: range, compute: Callable[[Tensor], Tensor]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for chunk in chunks:
        if (path := _path(folder, chunk)).exists():
            continue
        samples = sample_bank.read_views(bank, chunk)
        with torch.inference_mode():
            found = np.stack([compute(tensor(views)).numpy() for views in samples])
        with atomic_path(path) as temporary, open(temporary, "wb") as file:
            np.save(file, found)


def read(bank: Path, run: Path, count: int) -> Features:
    """Read the first ``count`` samples. Raises `FileNotFoundError` where there are fewer."""
    parts = []
    for chunk in range(-(-count // sample_bank.CHUNK)):
        labels, kinds = sample_bank.read_labels(bank, chunk)
        folders = (_learned(bank, run), _statistics(bank))
        arrays = (np.load(_path(folder, chunk)) for folder in folders)
        parts.append((*arrays, labels, kinds))
    return Features(*(np.concatenate(part)[:count] for part in zip(*parts, strict=True)))


def different(places: np.ndarray) -> int:
    """Places before they repeat from the first: P x features."""
    return next((k for k in range(1, len(places)) if (places[k] == places[0]).all()), len(places))


def centre_and_spread(statistics: np.ndarray) -> tuple[Tensor, Tensor]:
    """Of places and of scenes: 2 x features each, for samples x views x features."""
    kinds = [statistics[:, :-1], statistics[:, -1:]]
    flat = [torch.from_numpy(of.reshape(-1, of.shape[-1])) for of in kinds]
    centre = torch.stack([of.mean(0) for of in flat])
    return centre, torch.stack([of.std(0).clamp(min=LEAST_SPREAD) for of in flat])


def _learn(network: JudgeNetwork, views: Tensor) -> Tensor:
    """The trunk's features of a sample: views are its places and then the scene."""
    return torch.cat((network.learned(views[:-1], PLACE), network.learned(views[-1:], SCENE)))


def _learned(bank: Path, run: Path) -> Path:
    return run / f"learned-{bank.name}"


def _statistics(bank: Path) -> Path:
    return bank / "statistics"


def _path(folder: Path, chunk: int) -> Path:
    return folder / f"{chunk:04d}.npy"


def tensor(views: np.ndarray) -> Tensor:
    """... x H x W x 3 uint8 -> ... x 3 x H x W in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(views, -1, -3))).float() / 255
