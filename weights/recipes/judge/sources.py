"""The pictures that samples of the judge are made of, and which of them are held out."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from restore.media import folder
from restore.media import image as media
from restore.media.colour import rgb

HELD_OUT = 16
"""One in this number of pictures is held out for validation and calibration."""
KINDS = ("clean", "realnoise", "blur", "lowlight", "haze", "photographs", "drawings")
"""Folders of the training data, then those of `packages`."""


@dataclass(frozen=True)
class Item:
    """Files of one scene: a healthy picture, and a degraded one or a map of depth."""

    healthy: Path
    other: Path | None = None
    scene: str = ""


class Sources:
    """Pictures of a folder with the layout of the training data, and of one that `packages.fetch`
    filled; ``held_out`` chooses a part."""

    def __init__(self, train: Path, more: Path, held_out: bool):
        found: dict[str, Callable[[Path], list[Item]]] = {
            "clean": _single,
            "photographs": _single,
            "drawings": _single,
            "realnoise": _pairs,
            "blur": _pairs,
            "lowlight": _brackets,
            "haze": _depths,
        }
        self.items = {}
        for kind in KINDS:
            path = (more if kind in ("photographs", "drawings") else train) / kind
            self.items[kind] = _part(found[kind](path), held_out)

    def draw(self, kind: str, rng: np.random.Generator) -> Item:
        """Draw one item."""
        items = self.items[kind]
        return items[int(rng.integers(len(items)))]


def _part(items: list[Item], held_out: bool) -> list[Item]:
    """All versions of a scene are on one side; a scene without a name is a file."""
    scenes = sorted({item.scene or item.healthy.name for item in items})
    out = {name for index, name in enumerate(scenes) if index % HELD_OUT == HELD_OUT // 2}
    return [item for item in items if ((item.scene or item.healthy.name) in out) == held_out]


def _single(path: Path) -> list[Item]:
    return [Item(file) for file in folder.pictures(path)]


def _pairs(path: Path) -> list[Item]:
    return [
        Item(target, source) for source, target in folder.pairs(path / "input", path / "target")
    ]


def _brackets(path: Path) -> list[Item]:
    rows = _rows(path / "pairs.csv")
    return [Item(path / row["reference"], path / row["low"], row["scene"]) for row in rows]


def _depths(path: Path) -> list[Item]:
    return [Item(path / row["image"], path / row["depth"]) for row in _rows(path / "depth.csv")]


def _rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@cache
def pixels(path: Path) -> np.ndarray:
    """H x W x 3 uint8; all pictures stay in memory, some 0.7 GB."""
    return np.ascontiguousarray(rgb(media.read(path).in_8_bits().pixels))


@cache
def depth(path: Path) -> np.ndarray:
    """H x W float32, of no particular unit, above 0."""
    raw = cv2.imread(str(path), cv2.IMREAD_UNCHANGED).astype(np.float32)
    return np.maximum(raw / raw.max(), 1e-3)
