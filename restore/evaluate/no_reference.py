"""Quality of images without a true image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from restore.errors import UsageError
from restore.evaluate.protocol import Metric
from restore.evaluate.report import Case, Subject, paired_cases, to_uint8
from restore.media import folder
from restore.media import image as media

CONDITIONS = "images in 8 bits, mean over images"
QUALITY = "quality"
IMAGE = Subject("image", "the image itself", to_uint8)


def metrics_of(names: Iterable[str] = (), has_target: bool = False) -> tuple[Metric, ...]:
    """Return the judge's quality figure, and the measures of pyiqa with these names, in any case.

    Raises `UsageError` for an unknown name, or one that requires a target where there is none;
    `RestoreError` where pyiqa or its weights are missing; `CheckpointError` without a judge.
    """
    wanted = dict.fromkeys(name.upper() for name in names)
    return (_quality(), *(_published(name, has_target) for name in wanted))


def _quality() -> Metric:
    from restore.inspect import judge

    protocol = "0 to 1, estimated SSIM to the image without its faults, by restore inspect"
    return Metric(QUALITY, protocol, 3, lambda output, target: judge(output).quality)


def _published(name: str, has_target: bool) -> Metric:
    from restore.evaluate.published_quality import MEASURES, PyiqaMeasure  # torch

    if name in MEASURES and MEASURES[name].has_reference and not has_target:
        raise UsageError(f"{name} compares with true images: give their folder as target")
    measure = PyiqaMeasure(name)
    return Metric(name, f"{MEASURES[name].protocol}; pyiqa", 4, measure)


def cases(source: Path, target: Path | None = None) -> Iterator[Case]:
    """Yield the images of a folder, or one image; paired with those of ``target`` if given.

    Raises `ImageError` at once for a folder without images, and as `paired_cases` does.
    """
    if target is not None:
        return paired_cases(source, target)
    paths = folder.pictures(source) if source.is_dir() else [source]
    return (_unpaired(path) for path in paths)


def _unpaired(path: Path) -> Case:
    pixels = media.read(path).in_8_bits().pixels
    return Case(path.stem, pixels, pixels)
