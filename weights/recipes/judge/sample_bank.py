"""Samples on disk, so that several runs learn from the same ones.

A bank is a folder of chunks of `CHUNK` samples. ``NNNN.npy`` holds their views, samples x views x
128 x 128 x 3 uint8, the scene last; ``NNNN.npz`` holds ``labels`` (samples x 13 float32: faults,
severities, quality) and ``kinds``. Views are mapped and not read, since a bank is larger than
memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sources import Sources

from restore.files import atomic_path
from samples import Finished, sample

CHUNK = 100


@dataclass(frozen=True)
class Bank:
    """N samples; ``chunks`` are arrays in which `CHUNK` samples each are mapped."""

    chunks: list[np.ndarray]
    labels: np.ndarray
    kinds: np.ndarray

    def views(self, index: int) -> np.ndarray:
        """Views of one sample, views x 128 x 128 x 3 uint8, the scene last."""
        return self.chunks[index // CHUNK][index % CHUNK]


def write(sources: Sources, bank: Path, seed: int, chunks: range) -> None:
    """Make the chunks that are missing."""
    bank.mkdir(parents=True, exist_ok=True)
    for chunk in chunks:
        if _labels_path(bank, chunk).exists():
            continue
        made = [sample(sources, seed, chunk * CHUNK + i) for i in range(CHUNK)]
        with atomic_path(_views_path(bank, chunk)) as temporary, open(temporary, "wb") as file:
            np.save(file, np.stack([np.concatenate((s.places, s.scene[None])) for s in made]))
        with atomic_path(_labels_path(bank, chunk)) as temporary, open(temporary, "wb") as file:
            labels, kinds = np.stack([_labels(s) for s in made]), np.array([s.kind for s in made])
            np.savez(file, labels=labels, kinds=kinds)


def read(bank: Path, count: int) -> Bank:
    """Map the first ``count`` samples, a multiple of `CHUNK`. Raises `FileNotFoundError` where
    there are fewer."""
    chunks = range(-(-count // CHUNK))
    labels, kinds = zip(*(read_labels(bank, chunk) for chunk in chunks), strict=True)
    mapped = [read_views(bank, chunk) for chunk in chunks]
    return Bank(mapped, np.concatenate(labels), np.concatenate(kinds))


def read_views(bank: Path, chunk: int) -> np.ndarray:
    """Map the views of one chunk. Raises `FileNotFoundError`."""
    return np.load(_views_path(bank, chunk), mmap_mode="r")


def read_labels(bank: Path, chunk: int) -> tuple[np.ndarray, np.ndarray]:
    """Read labels and kinds of one chunk. Raises `FileNotFoundError`."""
    with np.load(_labels_path(bank, chunk)) as file:
        return file["labels"], file["kinds"]


def _labels(made: Finished) -> np.ndarray:
    return np.concatenate((made.faults, made.severities, [made.quality])).astype(np.float32)


def _views_path(bank: Path, chunk: int) -> Path:
    return bank / f"{chunk:04d}.npy"


def _labels_path(bank: Path, chunk: int) -> Path:
    return bank / f"{chunk:04d}.npz"
