"""Haze: light is attenuated on its way from the scene and replaced by airlight.

Images are N x 3 x H x W, float32 in [0, 1], as encoded in files, like the public test sets; depths
and transmissions are N x 1 x H x W. The generator is on the image's device.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from restore.degrade.depth import pseudo_depth
from restore.degrade.random import Range, chance, per_picture, uniform


@dataclass(frozen=True)
class Haze:
    """Parameter ranges of `haze`; every pair is (low, high), drawn uniformly."""

    airlight: Range = (0.7, 1.0)
    white: float = 0.45
    """Fraction of pictures with an airlight of exactly 1 in all channels, as in SOTS and other
    synthetic test sets."""
    tinted: float = 0.5
    """Fraction of the others whose airlight has a colour; the rest is grey."""
    tint: float = 0.05
    """How far each channel of a tinted airlight may lie from its level."""
    beta: Range = (0.4, 1.6)
    """Scattering per metre, for metric depth indoors."""
    median: Range = (0.2, 0.9)
    """Median transmission of a picture, for any other depth."""
    none: float = 0.1
    """Fraction of pictures without haze."""

    def at(self, severity: float) -> Haze:
        """Return haze of one strength for all images: the optical depth is ``severity`` times the
        largest.

        ``severity`` is in (0, 1]; 1 is the densest of these ranges.
        """
        beta, median = self.beta[1] * severity, self.median[0] ** severity
        return replace(self, beta=(beta, beta), median=(median, median), none=0.0)


def haze(
    image: Tensor,
    generator: Generator,
    ranges: Haze = Haze(),
    scale: float = 1.0,
    depth: Tensor | None = None,
    metric: Tensor | None = None,
) -> Tensor:
    """Add homogeneous haze of random density and airlight; the result is in [0, 1].

    ``depth`` is N x 1 x H x W, above 0. Where ``metric`` (N truth values; None: all true) is true,
    it is in metres, and beta is drawn; elsewhere it has any unit, and the median transmission of
    the image is drawn. Without ``depth``, a pseudo-depth is used. ``scale`` multiplies beta; 0
    returns the image itself.
    """
    image = image.clamp(0, 1)
    if scale == 0:
        return image
    n = image.shape[0]
    beta = uniform(n, image, generator, *ranges.beta)
    median = uniform(n, image, generator, *ranges.median)
    hazed = ~chance(n, image, generator, ranges.none)
    light = airlight(n, image, generator, ranges)
    if depth is None:
        depth = pseudo_depth(image, generator)
        metric = torch.zeros_like(hazed)
    relative = -median.log() / depth.flatten(1).median(dim=1).values
    if metric is not None:
        beta = torch.where(metric, beta, relative)
    seen = transmission(depth, per_picture(beta * hazed * scale))
    return hazy(image, seen, light).clamp(0, 1)


def transmission(depth: Tensor, beta: Tensor | float) -> Tensor:
    """Return the fraction of light that arrives from ``depth``: exp(-beta d), in (0, 1].

    Beer's law; Narasimhan and Nayar, "Vision and the Atmosphere" (IJCV 2002). ``beta`` is per unit
    of depth, a number or a tensor that broadcasts.
    """
    smallest = torch.finfo(depth.dtype).tiny  # exp underflows to 0, which is outside
    return torch.exp(-beta * depth).clamp(min=smallest)


def hazy(image: Tensor, transmission: Tensor, airlight: Tensor) -> Tensor:
    """Apply Koschmieder's model, I = J t + A (1 - t); ``airlight`` is N x 3 x 1 x 1 or broadcasts.

    Narasimhan and Nayar (IJCV 2002); He et al., "Single Image Haze Removal Using Dark Channel
    Prior" (CVPR 2009), eq. 1.
    """
    return image * transmission + airlight * (1 - transmission)


def airlight(n: int, like: Tensor, generator: Generator, ranges: Haze = Haze()) -> Tensor:
    """Draw colours of haze, N x 3 x 1 x 1, at most 1."""
    level = uniform(n, like, generator, *ranges.airlight)[:, None]
    offset = ranges.tint * (2 * torch.rand(n, 3, generator=generator, device=like.device) - 1)
    tinted = chance(n, like, generator, ranges.tinted)[:, None]
    white = chance(n, like, generator, ranges.white)[:, None]
    colour = (level + offset * tinted).clamp(max=1)
    return torch.where(white, 1.0, colour)[:, :, None, None]
