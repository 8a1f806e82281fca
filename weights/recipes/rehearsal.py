"""Write degraded pictures of the kind that an official model was trained on, for ``--rehearse``.

    python weights/recipes/rehearsal.py KIND COUNT OUT CLEAN [CLEAN ...]

KIND is one of `KINDS`. Pictures of the CLEAN folders are reduced to a shorter side of `SIDE` pixels
to show whole scenes, degraded from seeds, and written to OUT as ``0000.png`` and so on.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Generator, Tensor

from restore.degrade.haze import Haze, haze
from restore.degrade.lowlight import LowLight, lowlight
from restore.degrade.recipes import RECIPES
from restore.media import folder

SIDE = 256
LONGEST = 384
LOL = LowLight(
    exposure=(1 / 40, 1 / 8),
    gamma=(1.0, 1.3),
    saturation=(0.8, 1.0),
    shot=(1e-4, 1e-3),
    jpeg=0,
    none=0,
)
"""Rooms in very little light, as in LOL."""
OUTDOORS = Haze(airlight=(0.75, 1.0), white=0.2, median=(0.25, 0.85), none=0.05)

KINDS: Mapping[str, Callable[[Tensor, Generator], Tensor]] = {
    "lol": lambda clean, generator: lowlight(clean, generator, LOL),
    "outdoors": lambda clean, generator: haze(clean, generator, OUTDOORS),
    "rain": RECIPES["derain"].degrade,
    "blur": RECIPES["deblur"].degrade,
}


def main(kind: str, count: str, out: str, *clean: str) -> None:
    """Write the pictures."""
    target = Path(out)
    target.mkdir(parents=True)
    paths = [path for name in clean for path in folder.pictures(Path(name))]
    for index in range(int(count)):
        path = paths[index * len(paths) // int(count)]
        generator = Generator().manual_seed(index)
        degraded = KINDS[kind](scene(path), generator).clamp(0, 1)
        pixels = (degraded[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
        Image.fromarray(pixels).save(target / f"{index:04d}.png")


def scene(path: Path) -> Tensor:
    """Return a reduced picture, 1 x 3 x H x W in [0, 1]."""
    with Image.open(path) as file:
        picture = file.convert("RGB")
    scale = SIDE / min(picture.size)
    picture = picture.resize([round(side * scale) for side in picture.size], Image.Resampling.BOX)
    pixels = np.asarray(picture)[:LONGEST, :LONGEST].astype(np.float32) / 255
    return torch.from_numpy(pixels).permute(2, 0, 1)[None]


if __name__ == "__main__":
    main(*sys.argv[1:])
