"""Samples on disk, so that several runs learn from the same ones.

A bank is a folder of chunks ``NNNN.npz`` of `CHUNK` samples: ``views`` (samples x views x 128 x
128 x 3 uint8, the scene last), ``labels`` (samples x 13 float32: faults, severities, quality) and
``kinds``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from judge_samples import PER_SIDE, Finished, sample
from judge_sources import Sources

from restore.files import atomic_path

CHUNK = 100


@dataclass(frozen=True)
class Bank:
    """Samples in memory."""

    views: np.ndarray
    labels: np.ndarray
    kinds: np.ndarray


def write(sources: Sources, bank: Path, seed: int, chunks: range, per_side: int = PER_SIDE) -> None:
    """Make the chunks that are missing."""
    bank.mkdir(parents=True, exist_ok=True)
    for chunk in chunks:
        path = _path(bank, chunk)
        if path.exists():
            continue
        made = [sample(sources, seed, chunk * CHUNK + i, per_side) for i in range(CHUNK)]
        with atomic_path(path) as temporary, open(temporary, "wb") as file:
            np.savez(
                file,
                views=np.stack([np.concatenate((s.places, s.scene[None])) for s in made]),
                labels=np.stack([_labels(s) for s in made]),
                kinds=np.array([s.kind for s in made]),
            )


def read(bank: Path, count: int) -> Bank:
    """Read the first ``count`` samples. Raises `FileNotFoundError` where there are fewer."""
    chunks = [read_chunk(bank, chunk) for chunk in range(-(-count // CHUNK))]
    parts = [(chunk.views, chunk.labels, chunk.kinds) for chunk in chunks]
    return Bank(*(np.concatenate(part)[:count] for part in zip(*parts, strict=True)))


def read_chunk(bank: Path, chunk: int) -> Bank:
    """Read one chunk. Raises `FileNotFoundError`."""
    with np.load(_path(bank, chunk)) as file:
        return Bank(file["views"], file["labels"], file["kinds"])


def read_labels(bank: Path, chunk: int) -> tuple[np.ndarray, np.ndarray]:
    """Read labels and kinds of one chunk, without its views."""
    with np.load(_path(bank, chunk)) as file:
        return file["labels"], file["kinds"]


def _labels(made: Finished) -> np.ndarray:
    return np.concatenate((made.faults, made.severities, [made.quality])).astype(np.float32)


def _path(bank: Path, chunk: int) -> Path:
    return bank / f"{chunk:04d}.npz"
