"""Running a head over a set of pictures and tabulating PSNR and SSIM."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from restore.errors import ImageError
from restore.evaluate.metrics import PEAK, psnr, ssim
from restore.media import image as media

PROTOCOL = "RGB, outputs rounded to uint8, no border crop, mean over pictures"


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
    for i, path in enumerate(_pictures(targets)):
        target = media.read(path).pixels
        noise = np.random.default_rng(i).standard_normal(target.shape) * sigma
        yield Case(path.stem, ((target + noise) / PEAK).astype(np.float32), target)


def paired_cases(inputs: Path, targets: Path) -> Iterator[Case]:
    """Pictures of the same name in two folders. Raises `ImageError` naming one without partner,
    a pair of different sizes, or two pictures of one name."""
    sides = [_by_name(folder) for folder in (inputs, targets)]
    for name in sorted(sides[0].keys() ^ sides[1].keys()):
        folder = targets if name in sides[0] else inputs
        raise ImageError(f"{folder}: has no picture called {name}")
    for name in sorted(sides[0]):
        degraded, target = (media.read(side[name]).pixels for side in sides)
        if degraded.shape != target.shape:
            raise ImageError(
                f"{name}: input is {degraded.shape}, target is {target.shape}; they must agree"
            )
        yield Case(name, degraded, target)


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


def _by_name(folder: Path) -> dict[str, Path]:
    pictures: dict[str, Path] = {}
    for path in _pictures(folder):
        other = pictures.setdefault(path.stem, path)
        if other != path:
            raise ImageError(f"{folder}: {other.name} and {path.name} have one name; keep one")
    return pictures


def _pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise ImageError(f"{folder}: no such folder")
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in media.SUFFIXES)
    if not paths:
        raise ImageError(f"{folder}: holds no pictures")
    return paths
