"""Quality and flicker of models on clips."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from restore.engine.temporal import Steadier
from restore.errors import ImageError
from restore.evaluate.flicker import PROTOCOL, Flicker
from restore.evaluate.protocol import BASIC
from restore.evaluate.report import to_uint8
from restore.evaluate.subjects import INPUT, how_restored
from restore.media import folder
from restore.media import image as media

if TYPE_CHECKING:
    from restore.engine.restorer import Restorer

COMMON = "outputs rounded to uint8, no border crop, mean over frames"
FLICKER, STEADIED, TRUTH = "flicker", "--temporal", "truth"
_CELL = 9  # least width of a column


def frames(path: Path) -> Iterator[np.ndarray]:
    """Yield every frame of a clip, or of a folder of images in order of name: H x W x 3 float32 or,
    in a folder, uint8, also H x W. Raises `ImageError` if there are none or they cannot be read."""
    if path.is_dir():
        for picture in folder.pictures(path):
            yield media.read(picture).in_8_bits().pixels
        return
    from restore.media.video import decode
    from restore.media.video.probe import probe
    from restore.media.video.rgb_frame import RgbFrame

    clip = probe(path)
    for frame in decode.frames(clip):
        yield RgbFrame(frame, clip.siting).rgb


@dataclass(frozen=True)
class Pair:
    """An input frame, and its true frame (uint8), if that is known."""

    degraded: np.ndarray
    target: np.ndarray | None = None


def pairs(clip: Path, target: Path | None = None, sigma: float | None = None) -> Iterator[Pair]:
    """Yield the frames of a clip with those of the true one; or, with ``sigma``, of a clean clip
    with added white noise of that deviation on the 0-255 scale: frame i uses
    ``numpy.random.default_rng(i)``.

    Raises `ImageError` if the two clips differ in length or size.
    """
    if target is not None:
        yield from _paired(clip, target)
        return
    for number, frame in enumerate(frames(clip)):
        if sigma is None:
            yield Pair(frame)
        else:
            clean = to_uint8(frame)
            noise = np.random.default_rng(number).standard_normal(clean.shape) * sigma
            yield Pair(((clean + noise) / 255).astype(np.float32), clean)


def _paired(clip: Path, target: Path) -> Iterator[Pair]:
    both = itertools.zip_longest(frames(clip), frames(target))
    for number, (degraded, wanted) in enumerate(both):
        if degraded is None or wanted is None:
            longer, shorter = (target, clip) if degraded is None else (clip, target)
            raise ImageError(f"{shorter}: ends after frame {number}, {longer} goes on")
        if degraded.shape != wanted.shape:
            raise ImageError(
                f"{clip}: frame {number} is {degraded.shape}, that of {target} {wanted.shape}; "
                "they must agree"
            )
        yield Pair(degraded, to_uint8(wanted))


@dataclass(frozen=True)
class Result:
    """Figures of a clip. ``values``: maps a version and a metric to the mean over frames, or over
    pairs of frames for flicker, which is missing if no two frames could be compared. ``protocols``:
    how each metric is measured. ``how``: as `how_restored`. ``conditions``: hold for all figures.
    """

    model: str
    how: str
    frames: int
    cuts: int
    values: Mapping[str, Mapping[str, float]]
    protocols: Mapping[str, str]
    conditions: str

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as values; infinite ones stay floats."""
        return {
            "model": self.model,
            "how": self.how,
            "frames": self.frames,
            "cuts": self.cuts,
            "conditions": self.conditions,
            "metrics": dict(self.protocols),
            "means": [{"subject": name, **values} for name, values in self.values.items()],
        }

    def table(self) -> str:
        """Return the figures as text: a line for each version, then how they were measured."""
        width = max(map(len, self.values))

        def line(name: str, cells: Iterable[str]) -> str:
            return " ".join((f"{name:{width}}", *(f"{cell:>{_CELL}}" for cell in cells)))

        def figures(values: Mapping[str, float]) -> Iterator[str]:
            return (f"{values[name]:.3f}" if name in values else "-" for name in self.protocols)

        return "\n".join(
            (
                line("by", self.protocols),
                *(line(name, figures(values)) for name, values in self.values.items()),
                f"{self.model}: {self.how}",
                f"clip: {self.frames} frames, {self.cuts} cuts",
                *(f"{name}: {protocol}" for name, protocol in self.protocols.items()),
                f"all: {self.conditions}",
            )
        )


def evaluate(restorer: Restorer, cases: Iterable[Pair], conditions: str = COMMON) -> Result:
    """Measure a clip unchanged, restored frame by frame, and restored with less flicker. With a
    true clip, its flicker is measured as well, and all flicker is measured along its motion.

    Holds a few frames at a time. Raises `ImageError` for a clip without frames and, with a true
    clip, for frames below 11 x 11.
    """
    model, steadier = restorer.card.name, Steadier()
    measured, totals, count = Flicker(), dict[str, dict[str, float]](), 0
    waiting: deque[Pair] = deque()

    def inputs() -> Iterator[np.ndarray]:
        for case in cases:
            waiting.append(case)
            yield case.degraded

    for restored in restorer.frames(inputs()):
        case, count = waiting.popleft(), count + 1
        steadied = steadier(case.degraded, restored)
        outputs = {INPUT: case.degraded, model: restored, f"{model} {STEADIED}": steadied}
        versions = {name: to_uint8(frame) for name, frame in outputs.items()}
        if case.target is not None:
            for name, output in versions.items():
                total = totals.setdefault(name, dict.fromkeys((m.name for m in BASIC), 0.0))
                for metric in BASIC:
                    total[metric.name] += metric.measure(output, case.target)
            versions[TRUTH] = case.target
        measured.add(case.degraded if case.target is None else case.target, versions)
    if not count:
        raise ImageError("the clip has no frames")
    values = {
        name: {
            **({FLICKER: measured.means()[name]} if measured.pairs else {}),
            **{metric: total / count for metric, total in totals.get(name, {}).items()},
        }
        for name in versions
    }
    return Result(
        model,
        how_restored(restorer),
        count,
        measured.cuts,
        values,
        {FLICKER: PROTOCOL, **({m.name: m.protocol for m in BASIC} if totals else {})},
        conditions,
    )
