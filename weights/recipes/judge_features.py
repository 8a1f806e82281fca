"""Features of a bank's views on disk: what the trunk has learned, and the statistics.

Arrays ``NNNN.npy``, samples x views x features float32 with the scene last, one for each chunk of
the bank: statistics in the folder ``statistics`` of the bank, where they serve all runs, and what a
run has learned in its folder ``learned-BANK``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import judge_bank
import numpy as np
import torch
from judge_training import tensor
from torch import Tensor

from restore.files import atomic_path
from restore.networks.judge.network import PLACE, SCENE, JudgeNetwork


@dataclass(frozen=True)
class Features:
    """Of N samples: ``learned`` and ``statistics``, N x views x features; labels, kinds."""

    learned: np.ndarray
    statistics: np.ndarray
    labels: np.ndarray
    kinds: np.ndarray


def write(network: JudgeNetwork, bank: Path, run: Path, chunks: range) -> None:
    """Compute what is missing. Raises `FileNotFoundError` for a chunk that the bank lacks."""
    learned, statistics = _folders(bank, run)
    computed = {learned: partial(_learned, network), statistics: network.statistics}
    for chunk in chunks:
        missing = {
            path: compute
            for folder, compute in computed.items()
            if not (path := _path(folder, chunk)).exists()
        }
        if not missing:
            continue
        samples = judge_bank.read_chunk(bank, chunk).views
        for path, compute in missing.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with torch.inference_mode():
                found = np.stack([compute(tensor(views)).numpy() for views in samples])
            with atomic_path(path) as temporary, open(temporary, "wb") as file:
                np.save(file, found)


def read(bank: Path, run: Path, count: int) -> Features:
    """Read the first ``count`` samples. Raises `FileNotFoundError` where there are fewer."""
    parts = []
    for chunk in range(-(-count // judge_bank.CHUNK)):
        labels, kinds = judge_bank.read_labels(bank, chunk)
        arrays = (np.load(_path(folder, chunk)) for folder in _folders(bank, run))
        parts.append((*arrays, labels, kinds))
    return Features(*(np.concatenate(part)[:count] for part in zip(*parts, strict=True)))


def different(places: np.ndarray) -> int:
    """Places before they repeat from the first: P x features."""
    return next((k for k in range(1, len(places)) if (places[k] == places[0]).all()), len(places))


def _learned(network: JudgeNetwork, views: Tensor) -> Tensor:
    """The trunk's features of a sample: views are its places and then the scene."""
    return torch.cat((network.learned(views[:-1], PLACE), network.learned(views[-1:], SCENE)))


def _folders(bank: Path, run: Path) -> tuple[Path, Path]:
    """Of what was learned, and of the statistics."""
    return run / f"learned-{bank.name}", bank / "statistics"


def _path(folder: Path, chunk: int) -> Path:
    return folder / f"{chunk:04d}.npy"
