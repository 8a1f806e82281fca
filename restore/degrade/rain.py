"""Rain: bright streaks added to an image.

Images are N x 3 x H x W, float32 in [0, 1], as encoded in files. The generator is on the image's
device.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from restore.degrade.random import Range, chance, log_uniform, per_picture, uniform

DENSEST = 0.3
"""Streaks begin at no more than this fraction of the pixels; beyond, they get brighter instead."""
PIXELS_AT_ONCE = 2**22
"""Layers of large pictures are made one after the other: each takes some 30 bytes a pixel."""


@dataclass(frozen=True)
class Layer:
    """Ranges of one kind of rain; ``mean`` is the light it adds to a pixel, on average."""

    mean: Range
    layers: tuple[int, int]
    length: Range
    """Pixels, drawn log-uniformly."""
    brightness: Range
    """Of the brightest streaks of a layer, drawn log-uniformly; others have 0.3 to 1 of it."""


@dataclass(frozen=True)
class Rain:
    """Parameter ranges of `rain`, fitted by eye and by input PSNR, mean and saturation.

    ``light`` resembles Rain12 (Li et al., CVPR 2016: few thin streaks in nearly one direction),
    ``heavy`` Rain100H (Yang et al., CVPR 2017: layers of long streaks, a fifth of all pixels
    saturated).
    """

    light: Layer = Layer((1.5 / 255, 25 / 255), (1, 3), (5.0, 60.0), (0.04, 0.6))
    heavy: Layer = Layer((15 / 255, 115 / 255), (2, 5), (15.0, 95.0), (0.1, 0.55))
    heavy_fraction: float = 0.6
    none: float = 0.1
    """Fraction of pictures without any rain."""
    lean: float = 30.0
    """Degrees from the vertical that the direction of rain may lie to either side."""
    spread: float = 4.0
    """Deviation, in degrees, of the directions of a picture's layers."""
    crossing: float = 0.15
    """Fraction of pictures whose layers have unrelated directions, to 45 degrees."""
    screened: float = 0.2
    """Fraction of pictures where streaks are blended by screen, not added."""
    veil: float = 0.15
    """Fraction of rainy pictures behind a thin veil of haze, transmission 0.8 to 1."""

    def at(self, severity: float) -> Rain:
        """Return rain of one mean for all images: that of the heaviest times the square of
        ``severity``, in (0, 1]. The upper half is of the heavy kind."""
        mean = self.heavy.mean[1] * severity**2
        return replace(
            self,
            light=replace(self.light, mean=(mean, mean)),
            heavy=replace(self.heavy, mean=(mean, mean)),
            heavy_fraction=float(severity > 0.5),
            none=0.0,
            screened=0.0,
            veil=0.0,
        )


def rain(image: Tensor, generator: Generator, ranges: Rain = Rain(), scale: float = 1.0) -> Tensor:
    """Add rain: min(1, J + S), the additive model of Yang et al. (eq. 1).

    S is equal in all channels and never negative: thresholded noise smeared along lines, one layer
    for each direction and size of streaks, as distant streaks look in Garg and Nayar (IJCV 2007).
    ``scale`` multiplies S and the veil; 0 returns the image itself. The result is in [0, 1].
    """
    if scale == 0:
        return image.clamp(0, 1)
    n, _, height, width = image.shape
    heavy = chance(n, image, generator, ranges.heavy_fraction)
    mean = torch.where(
        heavy,
        uniform(n, image, generator, *ranges.heavy.mean),
        log_uniform(n, image, generator, *ranges.light.mean),
    )
    rainy = ~chance(n, image, generator, ranges.none)
    owner, layers = _draw_layers(heavy, ranges, generator)
    share = uniform(len(owner), image, generator, 0.2, 1.0)
    total = torch.zeros(n, device=image.device).index_add_(0, owner, share)
    layers["mean"] = mean[owner] * share / total[owner]
    added = torch.zeros(n, height, width, device=image.device)
    at_once = max(1, PIXELS_AT_ONCE // (height * width))
    for some in torch.arange(len(owner), device=image.device).split(at_once):
        of_some = {name: values[some] for name, values in layers.items()}
        added.index_add_(0, owner[some], streaks((height, width), generator, **of_some))
    added = per_picture(rainy * scale) * added[:, None]
    veil = chance(n, image, generator, ranges.veil) & rainy
    thickness = uniform(n, image, generator, 0, 0.2) * veil * scale
    seen = image + per_picture(thickness) * (0.85 - image)
    screened = per_picture(chance(n, image, generator, ranges.screened))
    return (seen + added * torch.where(screened, 1 - seen, 1.0)).clamp(0, 1)


def streaks(
    size: tuple[int, int],
    generator: Generator,
    mean: Tensor,
    length: Tensor,
    width: Tensor,
    angle: Tensor,
    brightness: Tensor,
) -> Tensor:
    """Draw M layers of parallel streaks, M x H x W, nowhere negative.

    Each argument holds M numbers: ``mean`` of the layer, ``length`` and ``width`` in pixels,
    ``angle`` in radians from the horizontal, ``brightness`` of the brightest single streak. Streaks
    start at random pixels; their number follows from the mean.
    """
    margin = math.ceil(float(length.max()) / 2) + 2  # streaks may start outside
    # FFTs are fastest at composite sizes.
    canvas = [-(-(side + margin) // 32) * 32 for side in size]
    kernel = _line(canvas, length, width, angle)
    typical = 0.65  # the mean brightness of a streak, relative to the brightest
    density = mean / (kernel.sum(dim=(1, 2)) * brightness * typical)
    brightness = brightness * (density / DENSEST).clamp(min=1)
    draws = torch.rand(2, *kernel.shape, generator=generator, device=kernel.device)
    starts = (draws[0] < density.clamp(max=DENSEST)[:, None, None]) * (0.3 + 0.7 * draws[1])
    smeared = torch.fft.irfft2(torch.fft.rfft2(starts) * torch.fft.rfft2(kernel), s=canvas)
    smeared = smeared[:, : size[0], : size[1]].clamp(min=0)  # rounding of the FFT
    return smeared * brightness[:, None, None]


def _draw_layers(
    heavy: Tensor, ranges: Rain, generator: Generator
) -> tuple[Tensor, dict[str, Tensor]]:
    """Draw the layers of N images: the image of each of M layers, and M lengths, widths, angles and
    brightnesses."""
    n = len(heavy)

    fewest, most = (
        torch.where(heavy, ranges.heavy.layers[end], ranges.light.layers[end]) for end in (0, 1)
    )
    extra = torch.rand(n, generator=generator, device=heavy.device) * (most - fewest + 1)
    owner = torch.repeat_interleave(fewest + extra.long())
    which, m = heavy[owner], len(owner)

    def either(field: str) -> Tensor:
        in_heavy, in_light = (
            log_uniform(m, heavy, generator, *getattr(kind, field))
            for kind in (ranges.heavy, ranges.light)
        )
        return torch.where(which, in_heavy, in_light)

    length = either("length")
    # Near streaks are long and wide at once.
    width = 0.8 + uniform(m, heavy, generator, 0, 1) * length / 25
    common = uniform(n, heavy, generator, -ranges.lean, ranges.lean)[owner]
    common = common + ranges.spread * torch.randn(m, generator=generator, device=heavy.device)
    free = chance(n, heavy, generator, ranges.crossing)[owner]
    tilt = torch.where(free, uniform(m, heavy, generator, -45, 45), common)
    return owner, {
        "length": length,
        "width": width,
        "angle": torch.deg2rad(90 + tilt),
        "brightness": either("brightness"),
    }


def _line(canvas: list[int], length: Tensor, width: Tensor, angle: Tensor) -> Tensor:
    """Draw anti-aliased lines around the origin of a periodic canvas, M x H x W, at most 1."""
    rows, columns = (
        torch.fft.fftfreq(side, 1 / side, device=length.device) for side in canvas
    )  # 0, 1, ... and ..., -1: distances from the origin when edges meet
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    along = columns * cos + rows[:, None] * sin
    across = rows[:, None] * cos - columns * sin
    along, across = (
        (extent[:, None, None] / 2 + 0.5 - distance.abs()).clamp(0, 1)
        for extent, distance in ((length, along), (width, across))
    )
    return along * across
