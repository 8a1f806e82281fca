"""Declare on which sets the models are measured, and what only their makers know about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from restore.checkpoints.card import TilePolicy, TrainingSet
from restore.engine.tile_options import windowed
from restore.evaluate import report

Cases = Callable[[Path], Iterator[report.Case]]
HEALTHY = "CBSD68 itself, clean"
FEW_HEALTHY = "CBSD68 itself, clean, every fourth"
"""For the official models, which take 3 to 5 times as long."""


def _gaussian(data: Path, sigma: float) -> Iterator[report.Case]:
    return report.gaussian_cases(data / "clean-cbsd68", sigma)


def _pairs(data: Path, name: str) -> Iterator[report.Case]:
    return report.paired_cases(data / name / "input", data / name / "target")


def healthy(data: Path, every: int = 1) -> Iterator[report.Case]:
    """Clean images as input and target: a model should leave them alone."""
    return islice(report.paired_cases(*(data / "clean-cbsd68",) * 2), None, None, every)


SETS: Mapping[str, Mapping[str, Cases]] = {
    "denoise": {f"CBSD68, sigma {s}": partial(_gaussian, sigma=s) for s in (15, 25, 50)}
    | {"PolyU real noise, 20 pairs": partial(_pairs, name="realnoise-polyu")},
    "deblur": {"GoPro, 3 pairs": partial(_pairs, name="deblur-gopro")},
    "derain": {
        "Rain100H, 24 pairs": partial(_pairs, name="derain-rain100h"),
        "Rain12, 6 pairs": partial(_pairs, name="derain-rain12"),
    },
    "dehaze": {
        "SOTS indoor, 10 pairs": partial(_pairs, name="dehaze-sots-indoor"),
        "O-HAZE, 1 pair": partial(_pairs, name="dehaze-ohaze"),
    },
    "enhance": {
        "LOL, 3 pairs": partial(_pairs, name="lowlight-lol"),
        "SICE, 10 pairs": partial(_pairs, name="lowlight-sice"),
    },
}
"""Head -> title of a set -> its cases, given the folder of evaluation data."""


@dataclass(frozen=True)
class Described:
    """Fields that the measuring script writes on a shipped model's card, besides its figures."""

    training_data: tuple[TrainingSet, ...]
    limits: str
    tiles: TilePolicy
    keeps_drawings: bool = False


PHOTOGRAPHS = (
    TrainingSet("94 photographs, scaled down 3 to 6 times", "CC0, CC BY and Unsplash licences"),
    TrainingSet("BSDS500, 130 images outside the sets measured", "research use"),
)
POLYU = TrainingSet("PolyU real-world noise, 63 pairs", "research use")
GOPRO = TrainingSet("GoPro training frames and others at 240 fps, 21 pairs", "research use")
DEPTH = TrainingSet(
    "NYUv2, Middlebury, Cityscapes and 7-Scenes, 34 images with depth", "research use"
)
SICE = TrainingSet("SICE part 1, 187 pairs", "CC BY-NC, research use")


def _first_stage(name: str, data: str) -> TrainingSet:
    return TrainingSet(f"{data}, through the first stage of the official {name}", "see its authors")


NEAR = TilePolicy(size=768, overlap=64, whole_up_to=1024 * 1024)
"""For the S-1 heads that judge details. Tiles of 384 have no visible cost; larger ones have less
overlap."""
# Derain gains by windows of its training size; the other small heads lose on clean images what they
# gain on degraded ones (weights/TRAINING.md).
MODELS: Mapping[str, Described] = {
    "denoise-small": Described(
        (*PHOTOGRAPHS, POLYU),
        "Removes sensor noise and grain. Invents no detail: text and fine patterns under heavy "
        "noise stay soft, and detail finer than the noise is lost with it.",
        windowed(256),
    ),
    "denoise-s1": Described(
        (*PHOTOGRAPHS, POLYU, _first_stage("denoise-sidd", "SIDD")),
        "Removes sensor noise and grain. Invents no detail: text and fine patterns under heavy "
        "noise stay soft, and detail finer than the noise is lost with it.",
        NEAR,
        keeps_drawings=True,
    ),
    "deblur-small": Described(
        (*PHOTOGRAPHS, GOPRO),
        "Sharpens camera shake and defocus of a few pixels. Beyond ten pixels little is restored, "
        "and two sharp copies of one edge may remain.",
        windowed(256),
    ),
    "deblur-s1": Described(
        (*PHOTOGRAPHS, GOPRO, _first_stage("deblur-gopro", "GoPro")),
        "Sharpens motion blur and camera shake. Long blur is restored in part, and two sharp "
        "copies of one edge may remain.",
        NEAR,
        keeps_drawings=True,
    ),
    "derain-small": Described(
        (
            *PHOTOGRAPHS,
            TrainingSet("PolyU real-world noise, 63 pairs, through denoise-small", "research use"),
        ),
        "Removes streaks in the air. Drops on the lens were not trained on, wide streaks of heavy "
        "rain leave a shadow, and areas that rain turned white are guessed.",
        windowed(128),
    ),
    "derain-s1": Described(
        (*PHOTOGRAPHS, _first_stage("derain-rain13k", "Rain13k")),
        "Removes streaks in the air. Drops on the lens were not trained on, and areas that rain "
        "turned white are guessed.",
        NEAR,
        keeps_drawings=True,
    ),
    "dehaze-small": Described(
        (
            *PHOTOGRAPHS,
            DEPTH,
            TrainingSet(
                "RESIDE outdoor, through the official dehaze-sots-outdoor", "see its authors"
            ),
        ),
        "Removes fairly uniform haze. Trained on synthetic haze only: thick or patchy fog is "
        "removed in part, and a white wall or snow may be taken for haze and darkened.",
        TilePolicy(size=384, overlap=64, whole_up_to=384 * 384, reduce_to=128),
    ),
    "dehaze-s1": Described(
        (*PHOTOGRAPHS, DEPTH, _first_stage("dehaze-sots-indoor", "RESIDE indoor")),
        "Removes fairly uniform haze. Trained on synthetic haze only: thick or patchy fog is "
        "removed in part, and a white wall or snow may be taken for haze and darkened.",
        # O-HAZE: 21.9 dB whole, 20.0 dB reduced to 512 pixels.
        TilePolicy(size=512, overlap=64, whole_up_to=2 * 1024 * 1024, reduce_to=1024),
    ),
    "enhance-small": Described(
        (*PHOTOGRAPHS, SICE),
        "Brings a dark image to a usual brightness, which is a guess: a night scene may come out "
        "as day. Black areas without detail stay empty, and colours there are invented.",
        TilePolicy(size=384, overlap=64, whole_up_to=1024 * 1024, reduce_to=512),
    ),
    "enhance-s1": Described(
        (*PHOTOGRAPHS, SICE, _first_stage("enhance-lol", "LOL")),
        "Brings a dark image to a usual brightness, which is a guess: a night scene may come out "
        "as day. Black areas without detail stay empty, and colours there are invented.",
        TilePolicy(size=512, overlap=64, whole_up_to=1024 * 1024, reduce_to=512),
    ),
}
OFFICIAL_TILES: Mapping[str, TilePolicy] = {
    "denoise": NEAR,
    "deblur": NEAR,
    "derain": NEAR,
    "dehaze": TilePolicy(size=512, overlap=64, whole_up_to=1024 * 1024, reduce_to=512),
    "enhance": TilePolicy(size=512, overlap=64, whole_up_to=1024 * 1024, reduce_to=400),
}
"""How the official models of a head are shown an image."""
OFFICIAL_SETS: Mapping[str, tuple[str, ...]] = {"denoise-sidd": ("PolyU real noise, 20 pairs",)}
"""Sets of an official model, where it is not measured on all: denoise-sidd knows one kind of noise
and takes 42 seconds a megapixel in float32."""
