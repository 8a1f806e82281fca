"""Running a head over a set of pictures and tabulating PSNR and SSIM."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from restore.errors import ImageError
from restore.evaluate.metrics import PEAK, psnr, ssim
from restore.media import folder
from restore.media import image as media

PROTOCOL = "RGB, outputs rounded to uint8, no border crop, mean over pictures"
GAUSSIAN = "Gaussian noise of default_rng(i) for picture i, neither clipped nor rounded"


@dataclass(frozen=True)
class Case:
    """``degraded``: H x W x 3 uint8, or float32 of scale [0, 1]; ``target``: uint8."""

    name: str
    degraded: np.ndarray
    target: np.ndarray


@dataclass(frozen=True)
class Row:
    name: str
    input_psnr: float
    psnr: float
    ssim: float


def gaussian_cases(targets: Path, sigma: float) -> Iterator[Case]:
    """Clean pictures with white noise of ``sigma`` on the 0-255 scale, neither clipped nor
    rounded: picture i in order of name uses ``numpy.random.default_rng(i)``."""
    for i, path in enumerate(folder.pictures(targets)):
        target = media.read(path).pixels
        noise = np.random.default_rng(i).standard_normal(target.shape) * sigma
        yield Case(path.stem, ((target + noise) / PEAK).astype(np.float32), target)


def paired_cases(inputs: Path, targets: Path) -> Iterator[Case]:
    """Pictures of the same name in two folders. Raises `ImageError` naming one without partner,
    a pair of different sizes, or two pictures of one name."""
    for source, target in folder.pairs(inputs, targets):
        degraded, wanted = media.read(source).pixels, media.read(target).pixels
        if degraded.shape != wanted.shape:
            raise ImageError(
                f"{source}: is {degraded.shape}, {target} is {wanted.shape}; they must agree"
            )
        yield Case(source.stem, degraded, wanted)


def evaluate(restore: Callable[[np.ndarray], np.ndarray], cases: Iterator[Case]) -> Iterator[Row]:
    """Restore every case and compare, as `PROTOCOL` says."""
    for case in cases:
        output = to_uint8(restore(case.degraded))
        yield Row(
            case.name,
            psnr(to_uint8(case.degraded), case.target),
            psnr(output, case.target),
            ssim(output, case.target),
        )


def mean(rows: list[Row]) -> Row:
    return Row(
        "mean",
        *(
            float(np.mean([getattr(row, name) for row in rows]))
            for name in ("input_psnr", "psnr", "ssim")
        ),
    )


def to_uint8(image: np.ndarray) -> np.ndarray:
    """Rounded and clipped, as a file would hold it; ``image`` is uint8 or float of scale [0, 1]."""
    if image.dtype == np.uint8:
        return image
    return np.rint(np.clip(image, 0, 1) * PEAK).astype(np.uint8)
