"""Samples of the judge: a picture with no, one or several faults, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from faults import (
    FAULT_MAKERS,
    UNKNOWN,
    Sample,
    add_haze,
    add_noise,
    difference,
    jpeg,
    note_darkness,
    note_noise,
    to_tensor,
    to_uint8,
)
from healthy import KINDS, Draw, by_taste
from sources import Sources, depth, pixels
from torch import Tensor

from restore.degrade.lowlight import to_linear
from restore.inspect.judged_views import PER_SIDE, views
from restore.networks.judge import FAULTS

HEALTHY = 0.42
MAKEABLE = ("haze", "rain", "blur", "darkness", "noise", "blocks")
"""In the order in which nature, lens, sensor and file add them."""
SHARES = (0.17, 0.19, 0.2, 0.15, 0.22, 0.07)
_COUNTS = (0.55, 0.3, 0.15)
PHOTOGRAPHS = {
    "clean": 0.36,
    "photographs": 0.34,
    "lowlight": 0.12,
    "haze": 0.06,
    "realnoise": 0.06,
    "blur": 0.06,
}
"""Kinds of sources -> share among healthy photographs."""
DRAWN = 0.06
"""Share of drawings by hand among healthy samples."""


@dataclass(frozen=True)
class Finished:
    """``places`` and ``scene`` as of `Views`; labels in the order of `FAULTS`."""

    places: np.ndarray
    scene: np.ndarray
    faults: np.ndarray
    severities: np.ndarray
    quality: float
    kind: str
    whole: np.ndarray
    """The picture itself, H x W x 3 uint8."""


def sample(sources: Sources, seed: int, index: int) -> Finished:
    """Make the sample of an index, with as many places as inference has; small ones repeat."""
    rng = np.random.default_rng((seed, index))
    draw = Draw(rng, torch.Generator().manual_seed(int(rng.integers(2**62))))
    made = _healthy(sources, draw) if draw.chance(HEALTHY) else _ailing(sources, draw)
    whole, healthy = _encoded(made, draw)
    seen = views(whole)
    places = seen.places[np.resize(np.arange(len(seen.places)), PER_SIDE**2)]
    return Finished(
        places,
        seen.scene,
        np.array([made.faults.get(name, 0.0) for name in FAULTS], np.float32),
        np.array([made.severities.get(name, 0.0) for name in FAULTS], np.float32),
        similarity(whole, healthy),
        made.kind,
        whole,
    )


def similarity(one: np.ndarray, other: np.ndarray) -> float:
    """Mean SSIM of luma (Wang et al., TIP 2004; Gaussian of 1.5 pixels), cut to [0, 1]."""
    x, y = (cv2.cvtColor(p, cv2.COLOR_RGB2GRAY).astype(np.float32) for p in (one, other))

    def mean(p: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(p, (11, 11), 1.5)

    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    ssim = (2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    return float(np.clip(ssim.mean(), 0, 1))


# Bases


def _window(arrays: list[np.ndarray], draw: Draw, least: float = 0.5) -> list[np.ndarray]:
    """Cut the same window of reduced pictures, so that no fault is known by its resolution."""
    scale = draw.uniform(least, 1) if draw.chance(0.7) else 1.0
    # Inference looks at the sharpest places of large pictures: part of the samples are as large.
    large = draw.chance(0.25)
    if not large and draw.chance(0.35):  # the whole scene
        scale = min(scale, 400 / min(arrays[0].shape[:2]))
    height, width = (max(8, round(side * scale)) for side in arrays[0].shape[:2])
    if scale < 1:
        arrays = [cv2.resize(a, (width, height), interpolation=cv2.INTER_AREA) for a in arrays]
    side = draw.log_uniform(448, 1000) if large else draw.log_uniform(150, 448)
    aspect = draw.log_uniform(0.7, 1.4)
    if draw.chance(0.05):
        side = draw.log_uniform(24, 150)
    h, w = min(height, round(side * aspect)), min(width, round(side / aspect))
    top, left = int(draw.rng.integers(height - h + 1)), int(draw.rng.integers(width - w + 1))
    cut = [a[top : top + h, left : left + w] for a in arrays]
    return [a[:, ::-1] for a in cut] if draw.chance(0.5) else cut


def _photograph(sources: Sources, draw: Draw) -> Tensor:
    kind = list(PHOTOGRAPHS)[draw.rng.choice(len(PHOTOGRAPHS), p=list(PHOTOGRAPHS.values()))]
    return to_tensor(_window([pixels(sources.draw(kind, draw.rng).healthy)], draw)[0])


def _healthy(sources: Sources, draw: Draw) -> Sample:
    if draw.chance(DRAWN):
        path = sources.draw("drawings", draw.rng).healthy
        image = to_tensor(_window([pixels(path)], draw)[0])
        return Sample(image, image, "drawn")
    names = list(KINDS)
    kind = names[draw.rng.choice(len(names), p=[KINDS[name][0] for name in names])]
    image = KINDS[kind][1](_photograph(sources, draw), draw)
    return Sample(image, image, kind)


def _ailing(sources: Sources, draw: Draw) -> Sample:
    makers = (_with_faults, _real_noise, _real_blur, _real_darkness, _haze_of_depth)
    maker = makers[draw.rng.choice(len(makers), p=(0.62, 0.12, 0.08, 0.08, 0.10))]
    return maker(sources, draw)


def _with_faults(sources: Sources, draw: Draw) -> Sample:
    if draw.chance(0.65):
        image = _photograph(sources, draw)
        made = Sample(image, image)
        if draw.chance(0.3):
            made.image = made.healthy = by_taste(image, draw)
    else:
        made = _healthy(sources, draw)
    count = 1 + int(draw.rng.choice(len(_COUNTS), p=_COUNTS))
    chosen = set(draw.rng.choice(len(MAKEABLE), count, replace=False, p=SHARES))
    for index, name in enumerate(MAKEABLE):
        if index in chosen:
            FAULT_MAKERS[name](made, draw)
    return made


# Faults of real pairs


def _real_noise(sources: Sources, draw: Draw) -> Sample:
    item = sources.draw("realnoise", draw.rng)
    least = 0.75 if draw.chance(0.4) else 1.0
    healthy, noisy = map(
        to_tensor, _window([pixels(item.healthy), pixels(item.other)], draw, least)
    )
    made = Sample(noisy, healthy, "real noise")
    note_noise(made, difference(noisy, healthy), weakest=0.8, certain=1.8)
    return made


def _real_blur(sources: Sources, draw: Draw) -> Sample:
    item = sources.draw("blur", draw.rng)
    healthy, blurred = map(
        to_tensor, _window([pixels(item.healthy), pixels(item.other)], draw, 0.6)
    )
    made = Sample(blurred, healthy, "real blur")
    # Without motion or texture the label is unknown.
    made.faults["blur"] = 1.0 if difference(blurred, healthy) > 4 else UNKNOWN
    made.severities["blur"] = UNKNOWN
    return made


def _real_darkness(sources: Sources, draw: Draw) -> Sample:
    item = sources.draw("lowlight", draw.rng)
    healthy, dark = map(to_tensor, _window([pixels(item.healthy), pixels(item.other)], draw))
    made = Sample(dark, healthy, "real darkness")
    exposure = float(to_linear(dark).mean() / to_linear(healthy).mean().clamp(min=1e-4))
    note_darkness(made, exposure)
    made.faults["noise"] = made.severities["noise"] = UNKNOWN
    if draw.chance(0.25):
        add_noise(made, draw)
    return made


def _haze_of_depth(sources: Sources, draw: Draw) -> Sample:
    item = sources.draw("haze", draw.rng)
    image, far = map(to_tensor, _window([pixels(item.healthy), depth(item.other)], draw))
    made = Sample(image, image, "haze of depth")
    add_haze(made, draw, far.clamp(min=1e-3)[None])
    if draw.chance(0.2):
        add_noise(made, draw)
    return made


def _encoded(made: Sample, draw: Draw) -> tuple[np.ndarray, np.ndarray]:
    """As a file holds it: 8 bits, and nearly half of them JPEG of good quality; with the healthy
    picture."""
    whole, healthy = to_uint8(made.image), to_uint8(made.healthy)
    if draw.chance(0.45):
        whole = jpeg(whole, int(draw.rng.integers(84, 98)), draw)
    if draw.chance(0.25) and min(whole.shape[:2]) > 16:  # blocks need not begin at the first pixel
        top, left = (int(n) for n in draw.rng.integers(8, size=2))
        whole, healthy = (np.ascontiguousarray(p[top:, left:]) for p in (whole, healthy))
    return whole, healthy
