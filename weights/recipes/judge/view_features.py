"""Features of a bank's views on disk: what the trunk has learned, and what is measured.

Arrays ``NNNN.npy``, samples x views x features float32 with the scene last, one for each chunk of
the bank: statistics in the folder ``statistics`` of the bank and responses of heads in
``responses``, where they serve all runs, and what a run has learned in its folder ``learned-BANK``.
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
from restore.inspect.asked_heads import asked_heads, shipped
from restore.networks.judge.network import PLACE, SCENE, AskedHeads, JudgeNetwork
from restore.networks.judge.statistics import Statistics

Compute = Callable[[np.ndarray], np.ndarray]
"""N x views x H x W x 3 uint8 -> N x views x features."""
LEAST_SPREAD = 1e-3
AT_ONCE = 10
"""Samples that heads restore together."""


@dataclass(frozen=True)
class Features:
    """Of N samples: ``learned`` and ``measured``, N x views x features; labels, kinds."""

    learned: np.ndarray
    measured: np.ndarray
    labels: np.ndarray
    kinds: np.ndarray


def write_statistics(bank: Path, chunks: range) -> None:
    """Compute the statistics that are missing. Raises `FileNotFoundError` for a chunk that the bank
    lacks."""
    _write(_statistics(bank), bank, chunks, _each(Statistics()))


def write_responses(network: JudgeNetwork, bank: Path, chunks: range) -> None:
    """Compute the responses that are missing; raises as `write_statistics` does."""
    heads = asked_heads(network.config, shipped(network.config))
    _write(_responses(bank), bank, chunks, partial(_ask, network, heads))


def write_learned(network: JudgeNetwork, bank: Path, run: Path, chunks: range) -> None:
    """Compute the learned features that are missing; raises as `write_statistics` does."""
    _write(_learned(bank, run), bank, chunks, _each(partial(_learn, network)))


def _write(folder: Path, bank: Path, chunks: range, compute: Compute) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for chunk in chunks:
        if (path := _path(folder, chunk)).exists():
            continue
        with torch.inference_mode():
            found = compute(sample_bank.read_views(bank, chunk))
        with atomic_path(path) as temporary, open(temporary, "wb") as file:
            np.save(file, found)


def _each(compute: Callable[[Tensor], Tensor]) -> Compute:
    """Compute sample by sample."""
    return lambda samples: np.stack([compute(tensor(views)).numpy() for views in samples])


def read(bank: Path, run: Path, count: int) -> Features:
    """Read the first ``count`` samples. Raises `FileNotFoundError` where there are fewer."""
    parts = []
    for chunk in range(-(-count // sample_bank.CHUNK)):
        labels, kinds = sample_bank.read_labels(bank, chunk)
        learned, *measured = (
            np.load(_path(folder, chunk))
            for folder in (_learned(bank, run), _statistics(bank), _responses(bank))
        )
        parts.append((learned, np.concatenate(measured, axis=-1), labels, kinds))
    return Features(*(np.concatenate(part)[:count] for part in zip(*parts, strict=True)))


def different(places: np.ndarray) -> int:
    """Places before they repeat from the first: P x ..."""
    return next((k for k in range(1, len(places)) if (places[k] == places[0]).all()), len(places))


def centre_and_spread(measured: np.ndarray) -> tuple[Tensor, Tensor]:
    """Of places and of scenes: 2 x features each, for samples x views x features."""
    kinds = [measured[:, :-1], measured[:, -1:]]
    flat = [torch.from_numpy(of.reshape(-1, of.shape[-1])) for of in kinds]
    centre = torch.stack([of.mean(0) for of in flat])
    return centre, torch.stack([of.std(0).clamp(min=LEAST_SPREAD) for of in flat])


def _learn(network: JudgeNetwork, views: Tensor) -> Tensor:
    """The trunk's features of a sample: views are its places and then the scene."""
    return torch.cat((network.learned(views[:-1], PLACE), network.learned(views[-1:], SCENE)))


def _ask(network: JudgeNetwork, heads: AskedHeads, samples: np.ndarray) -> np.ndarray:
    """Responses of samples; places that repeat are asked once, as in inference."""
    most = samples.shape[1] - 1
    numbers = np.array([different(views[:-1]) for views in samples])
    found = np.empty((*samples.shape[:2], network.centre.shape[1] - network.statistics.count))
    for number in np.unique(numbers):
        alike = np.flatnonzero(numbers == number)
        for chosen in np.array_split(alike, -(-len(alike) // AT_ONCE)):
            views = tensor(samples[chosen])
            near = network.ask_places(views[:, :number], heads)
            found[chosen, :-1] = near[:, torch.arange(most) % number]
            found[chosen, -1] = network.ask_scenes(views[:, -1], heads)
    return found.astype(np.float32)


def _learned(bank: Path, run: Path) -> Path:
    return run / f"learned-{bank.name}"


def _statistics(bank: Path) -> Path:
    return bank / "statistics"


def _responses(bank: Path) -> Path:
    return bank / "responses"


def _path(folder: Path, chunk: int) -> Path:
    return folder / f"{chunk:04d}.npy"


def tensor(views: np.ndarray) -> Tensor:
    """... x H x W x 3 uint8 -> ... x 3 x H x W in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(views, -1, -3))).float() / 255
