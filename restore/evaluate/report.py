"""Apply models and methods to a set of images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from restore.errors import ImageError
from restore.evaluate.metrics import PEAK
from restore.evaluate.protocol import Metric
from restore.media import folder
from restore.media import image as media


@dataclass(frozen=True)
class Case:
    """An image of a set. ``degraded``: H x W x 3 or H x W (grey), uint8, or float32 of scale [0,
    1]. ``target``: the same shape, uint8."""

    name: str
    degraded: np.ndarray
    target: np.ndarray


@dataclass(frozen=True)
class Subject:
    """A model or method under test. ``restore``: maps a degraded image to a restored one. ``how``:
    conditions of its figures, in one line."""

    name: str
    how: str
    restore: Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Row:
    """Figures of one image. ``values``: by metric; PSNR is infinite for equal images."""

    picture: str
    subject: str
    values: Mapping[str, float]


def gaussian_cases(targets: Path, sigma: float) -> Iterator[Case]:
    """Yield clean images with added white noise of ``sigma`` on the 0-255 scale, neither clipped
    nor rounded: image i in order of name uses ``numpy.random.default_rng(i)``.

    Raises `ImageError` at once for a folder without images.
    """
    return (_noisy(i, path, sigma) for i, path in enumerate(folder.pictures(targets)))


def _noisy(i: int, path: Path, sigma: float) -> Case:
    target = media.read(path).in_8_bits().pixels
    noise = np.random.default_rng(i).standard_normal(target.shape) * sigma
    return Case(path.stem, ((target + noise) / PEAK).astype(np.float32), target)


def paired_cases(inputs: Path, targets: Path) -> Iterator[Case]:
    """Yield images of the same name in two folders.

    Raises `ImageError` before any computation, naming an image without partner, two images of one
    name, or a pair of different sizes.
    """
    pairs = folder.pairs(inputs, targets)
    for source, target in pairs:
        sizes = [media.size(path) for path in (source, target)]
        if sizes[0] != sizes[1]:
            height, width = sizes[0]
            raise ImageError(
                f"{source}: is {width} x {height}, {target} is {sizes[1][1]} x {sizes[1][0]}; they "
                "must agree"
            )
    return (_paired(*pair) for pair in pairs)


def _paired(source: Path, target: Path) -> Case:
    degraded, wanted = (media.read(path).in_8_bits().pixels for path in (source, target))
    if degraded.shape != wanted.shape:
        raise ImageError(
            f"{source}: is {degraded.shape}, {target} is {wanted.shape}; they must agree"
        )
    return Case(source.stem, degraded, wanted)


def evaluate(
    subjects: Sequence[Subject], cases: Iterable[Case], metrics: Sequence[Metric]
) -> Iterator[Row]:
    """Yield a row for every case restored by every subject and compared by every metric.

    Raises `ImageError` naming an image that is too small to be compared.
    """
    for case in cases:
        for subject in subjects:
            output = to_uint8(subject.restore(case.degraded))
            try:
                values = {m.name: m.measure(output, case.target) for m in metrics}
            except ImageError as error:
                raise ImageError(f"{case.name}: {error}") from error
            yield Row(case.name, subject.name, values)


def means(rows: Sequence[Row]) -> list[Row]:
    """Return one row per subject, called "mean": over images, infinite if one of them is."""
    by_subject: dict[str, list[Row]] = {}
    for row in rows:
        by_subject.setdefault(row.subject, []).append(row)
    return [
        Row(
            "mean",
            subject,
            {name: float(np.mean([row.values[name] for row in own])) for name in own[0].values},
        )
        for subject, own in by_subject.items()
    ]


def to_uint8(image: np.ndarray) -> np.ndarray:
    """Round and clip to uint8, as in a file; ``image`` is uint8 or float of scale [0, 1]."""
    if image.dtype == np.uint8:
        return image
    return np.rint(np.clip(image, 0, 1) * PEAK).astype(np.uint8)
