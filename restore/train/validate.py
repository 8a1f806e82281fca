"""Validation on held-out pictures, the same ones each time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from restore.degrade.recipes import Recipe
from restore.errors import TrainingError
from restore.files import atomic_path
from restore.networks.base import RestorationNetwork
from restore.train.config import TrainConfig
from restore.train.data import Stock, centre
from restore.train.sources import Pictures

MOST = 8
"""Pictures in all."""
SIDE = 256
"""Side in pixels of the part of a picture that is shown, rounded up to the network's multiple."""


class Validation:
    """Up to `MOST` held-out pictures, degraded once by ``recipe``.

    The middle of each is shown, at the largest of the ``sides`` that are trained on. The object is
    false if no pictures are held out.
    """

    def __init__(
        self,
        held: Sequence[Pictures],
        recipe: Recipe,
        device: torch.device,
        config: TrainConfig,
    ):
        self._cases: list[tuple[Tensor, Tensor]] = []
        generator = torch.Generator(device).manual_seed(0)
        multiple = max(config.network.size_multiple)
        side = -(-SIDE // multiple) * multiple
        largest = 0 if 0 in config.sides else max(config.sides)
        held = [pictures.reduced(largest) for pictures in held if pictures.items]
        for pictures in held:
            each = -(-MOST // len(held))
            spread = np.linspace(0, len(pictures.items) - 1, min(each, len(pictures.items)))
            items = tuple(pictures.items[round(i)] for i in spread)
            stock = Stock(Pictures(pictures.source, items), recipe, device)
            degraded, clean = stock.patches(centre(stock.sizes, side, side), side, side, generator)
            self._cases += zip(degraded.split(1), clean.split(1), strict=True)

    def __len__(self) -> int:
        return len(self._cases)

    @torch.no_grad()
    def look(self, model: RestorationNetwork, bfloat16: bool) -> tuple[float, np.ndarray]:
        """Return the mean PSNR in dB over the pictures, and a sheet of them.

        The sheet is H x W x 3 uint8, with one row for each picture: degraded, restored, clean.
        """
        psnrs, rows = [], []
        for degraded, clean in self._cases:
            with torch.autocast(degraded.device.type, torch.bfloat16, enabled=bfloat16):
                restored = model(degraded)
            restored = restored.float().clamp(0, 1)
            mse = (restored - clean).square().mean().clamp(min=1e-12)
            psnrs.append(float(-10 * torch.log10(mse)))
            rows.append(torch.cat((degraded.clamp(0, 1), restored, clean), dim=3)[0])
        sheet = (torch.cat(rows, dim=1) * 255).round().byte().permute(1, 2, 0)
        return float(np.mean(psnrs)), sheet.cpu().numpy()


def write_sheet(sheet: np.ndarray, path: Path) -> None:
    """Save as PNG, replacing an earlier sheet. Raises `TrainingError`."""
    try:
        with atomic_path(path) as partial:
            Image.fromarray(sheet).save(partial, format="png")
    except OSError as error:
        raise TrainingError(f"{path}: cannot be written: {error.strerror or error}") from error
