"""Golden cases of the official model: how to rebuild their checkpoints, and where they are.

The values follow from a seed and a table of shapes alone: kernels N(0, 1/4 fan_in), norm scales
N(1, 0.01), biases N(0, 0.0025), drawn in sorted order of their names. So a case is some kilobytes
of JSON next to its expected outputs.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parents[1] / "golden"
SHARED = Path(__file__).parents[3] / "shared" / "golden"


@dataclass(frozen=True)
class GoldenCase:
    """``expected``: official outputs, N x H x W x C float32, under their golden names."""

    name: str
    config: dict[str, Any]
    arrays: dict[str, np.ndarray]
    image: np.ndarray
    expected: dict[str, np.ndarray]

    def write_checkpoint(self, folder: Path) -> Path:
        path = folder / f"{self.name}.npz"
        np.savez(path, **self.arrays)
        return path


def names(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.npz") if path.with_suffix(".json").is_file())


def load(folder: Path, name: str) -> GoldenCase:
    case = json.loads((folder / f"{name}.json").read_text())
    image = np.random.default_rng(case["input_seed"]).random(case["input_shape"], dtype=np.float32)
    with np.load(folder / f"{name}.npz") as expected:
        return GoldenCase(
            name, case["config"], draw(case["shapes"], case["seed"]), image, dict(expected)
        )


def draw(shapes: dict[str, list[int]], seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    arrays = {}
    for key, shape in sorted(shapes.items()):
        noise = rng.standard_normal(shape)
        match key.rpartition("/")[2]:
            case "kernel":
                value = noise * (0.5 / math.sqrt(math.prod(shape[:-1])))
            case "scale":
                value = 1 + 0.1 * noise
            case _:
                value = 0.05 * noise
        arrays[f"opt/target/{key}"] = value.astype(np.float32)
    return arrays
