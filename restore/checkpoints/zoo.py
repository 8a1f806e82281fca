"""The eleven official checkpoints: what they are called, where they are, what was published."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from restore.checkpoints.card import TILES, Card, Figure, TrainingSet
from restore.networks.maxim import VARIANTS

BASE_URL = "https://storage.googleapis.com/gresearch/maxim/ckpt"


@dataclass(frozen=True)
class Official:
    """``path`` is <Task>/<Data> of the release; parameters are those of the checkpoint."""

    name: str
    task: str
    path: str
    variant: str
    data: TrainingSet
    figures: tuple[tuple[str, float, float], ...]

    @property
    def url(self) -> str:
        base = (os.environ.get("RESTORE_WEIGHTS_URL") or BASE_URL).rstrip("/")
        return f"{base}/{self.path}/checkpoint.npz"

    @property
    def parameters(self) -> int:
        return {"S-2": 14_176_178, "S-3": 22_212_795}[self.variant]

    def card(self) -> Card:
        """The card, complete but for the hash of a file that is not here yet."""
        protocol = "published, MAXIM paper"
        figures = []
        for data, psnr, ssim in self.figures:
            figures.append(Figure(data, "PSNR", psnr, protocol))
            figures.append(Figure(data, "SSIM", ssim, protocol))
        return Card(
            name=self.name,
            task=self.task,
            network=VARIANTS[self.variant],
            sha256="",
            variant=self.variant,
            licence="Apache-2.0",
            tile=TILES,
            training_patch=256,
            training_data=(self.data,),
            figures=tuple(figures),
            parameters=self.parameters,
        )


def _official(
    name: str, task: str, path: str, variant: str, *figures: tuple[str, float, float]
) -> Official:
    data = TrainingSet(path.split("/")[1].replace("_", "-"), "see its authors")
    return Official(name, task, path, variant, data, figures)


OFFICIAL: Mapping[str, Official] = {
    entry.name: entry
    for entry in (
        _official(
            "denoise-sidd",
            "denoise",
            "Denoising/SIDD",
            "S-3",
            ("SIDD", 39.96, 0.960),
            ("DND", 39.84, 0.954),
        ),
        _official(
            "deblur-gopro",
            "deblur",
            "Deblurring/GoPro",
            "S-3",
            ("GoPro", 32.86, 0.961),
            ("HIDE", 32.83, 0.956),
        ),
        _official("deblur-reds", "deblur", "Deblurring/REDS", "S-3", ("REDS", 28.93, 0.865)),
        _official(
            "deblur-realblur-r",
            "deblur",
            "Deblurring/RealBlur_R",
            "S-3",
            ("RealBlur-R", 39.45, 0.962),
        ),
        _official(
            "deblur-realblur-j",
            "deblur",
            "Deblurring/RealBlur_J",
            "S-3",
            ("RealBlur-J", 32.84, 0.935),
        ),
        _official(
            "derain-rain13k",
            "derain",
            "Deraining/Rain13k",
            "S-2",
            ("the average of five rain sets", 33.24, 0.933),
        ),
        _official(
            "derain-raindrop", "derain", "Deraining/Raindrop", "S-2", ("Raindrop", 31.87, 0.935)
        ),
        _official(
            "dehaze-sots-indoor",
            "dehaze",
            "Dehazing/SOTS-Indoor",
            "S-2",
            ("SOTS-Indoor", 38.11, 0.991),
        ),
        _official(
            "dehaze-sots-outdoor",
            "dehaze",
            "Dehazing/SOTS-Outdoor",
            "S-2",
            ("SOTS-Outdoor", 34.19, 0.985),
        ),
        _official("enhance-lol", "enhance", "Enhancement/LOL", "S-2", ("LOL", 23.43, 0.863)),
        _official("enhance-fivek", "enhance", "Enhancement/FiveK", "S-2", ("FiveK", 26.15, 0.945)),
    )
}
