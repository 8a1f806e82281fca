"""Synthetic depth for photographs without depth; its edges follow those of the image.

Images are N x 3 x H x W, float32 in [0, 1]; depths N x 1 x H x W, above 0, without a unit. The
generator is on the image's device.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from restore.degrade.random import chance, log_uniform, per_picture, uniform

RAMP, PLANE, FIELD, LAYERS = range(4)
_SHARES = (0.35, 0.2, 0.15, 0.3)
_LAYERS = 6

# Guided filter: what varies by less than this deviation counts as texture, not as an edge.
_SMOOTHEST, _FINEST = 0.1, 0.03


def pseudo_depth(
    image: Tensor, generator: Generator, shares: tuple[float, ...] = _SHARES
) -> Tensor:
    """Draw a plausible depth of an image, N x 1 x H x W.

    Each image gets one of four shapes, in the given proportions: ground up to a horizon, a tilted
    plane, a smooth random field, or flat layers behind each other. The first two contain some of
    the field. A guided filter (He et al., ECCV 2010) then aligns edges and details with those of
    the image. Supports any size.
    """
    n, _, height, width = image.shape
    y = torch.linspace(0, 1, height + 2, device=image.device)[1:-1, None]  # from the top
    x = torch.linspace(0, 1, width + 2, device=image.device)[1:-1]
    guide = image.mean(dim=1, keepdim=True)
    field = _field((height, width), image, generator)
    rough = per_picture(uniform(n, image, generator, 0, 0.4))
    kinds = (
        _ramp(y, image, generator) + rough * field,
        _plane(x, y, image, generator) + rough * field,
        per_picture(uniform(n, image, generator, 0.3, 1.1)) * field,
        _layers(y, guide, field, generator),
    )
    bounds = torch.tensor(shares, device=image.device).cumsum(0)[:-1]
    kind = per_picture(torch.bucketize(uniform(n, image, generator, 0, 1), bounds, right=True))
    depth = torch.zeros_like(field)
    for which, log_depth in enumerate(kinds):
        depth = torch.where(kind == which, log_depth, depth)
    # On the logarithm, since the filter may overshoot and depth must stay above 0.
    tolerance = per_picture(log_uniform(n, image, generator, _FINEST, _SMOOTHEST))
    radius = max(1, min(height, width) // 16)
    return guided_filter(guide, depth, radius, tolerance**2).exp()


def guided_filter(guide: Tensor, source: Tensor, radius: int, epsilon: Tensor | float) -> Tensor:
    """Return the source as a local linear function of the guide, both N x 1 x H x W.

    He et al., "Guided Image Filtering" (ECCV 2010): windows of 2 ``radius`` + 1 px a side, cut at
    the border; where the variance of the guide is below ``epsilon``, it has little effect.
    """
    # Products of differences from the mean keep their digits.
    centre, level = (x.mean(dim=(2, 3), keepdim=True) for x in (guide, source))
    guide, source = guide - centre, source - level
    moments = torch.cat((guide, source, guide * guide, guide * source), dim=1)
    mean_guide, mean_source, square, product = _box_mean(moments, radius).split(1, dim=1)
    slope = (product - mean_guide * mean_source) / (square - mean_guide**2 + epsilon)
    offset = mean_source - slope * mean_guide
    slope, offset = _box_mean(torch.cat((slope, offset), dim=1), radius).split(1, dim=1)
    return slope * guide + offset + level


def _box_mean(x: Tensor, radius: int) -> Tensor:
    """Return the mean over the part of each window inside the image; the cost does not depend on
    the radius."""
    for axis in (2, 3):
        size, window = x.shape[axis], 2 * radius + 1
        border = (radius + 1, radius) if axis == 3 else (0, 0, radius + 1, radius)
        total = F.pad(x, border).cumsum(axis)
        inside = total.narrow(axis, window, size) - total.narrow(axis, 0, size)
        place = torch.arange(size, device=x.device)
        count = (place + radius).clamp(max=size - 1) - (place - radius).clamp(min=0) + 1
        x = inside / (count[:, None] if axis == 2 else count)
    return x


# The shapes, as logarithms of depth


def _ramp(y: Tensor, image: Tensor, generator: Generator) -> Tensor:
    """Return level ground below a camera: depth 1 / (y - horizon), and a far object above it."""
    n = image.shape[0]
    horizon = per_picture(uniform(n, image, generator, -0.6, 0.5))
    nearest = per_picture(log_uniform(n, image, generator, 0.03, 0.3))
    return -(y - horizon).clamp(min=nearest).log()


def _plane(x: Tensor, y: Tensor, image: Tensor, generator: Generator) -> Tensor:
    """Return a wall at an angle: the inverse of its depth is linear in the image coordinates."""
    n = image.shape[0]
    angle = per_picture(uniform(n, image, generator, -math.pi, math.pi))
    tilt = per_picture(uniform(n, image, generator, 0.2, 0.85))
    along = angle.cos() * (2 * x - 1) + angle.sin() * (2 * y - 1)  # at most 2 ** 0.5
    return -torch.log(1 + tilt / math.sqrt(2) * along)


def _field(size: tuple[int, int], image: Tensor, generator: Generator) -> Tensor:
    """Return smooth noise of deviation 1 or slightly less, N x 1 x H x W: two octaves, mixed at
    random."""
    n = image.shape[0]
    part = per_picture(uniform(n, image, generator, 0, math.pi / 2))
    field = torch.zeros(1, device=image.device)
    for cells, weight in ((3, part.cos()), (8, part.sin())):
        coarse = torch.randn(n, 1, cells, cells, generator=generator, device=image.device)
        fine = F.interpolate(coarse, size, mode="bicubic", align_corners=True)
        field = field + weight * fine
    return field


def _layers(y: Tensor, guide: Tensor, field: Tensor, generator: Generator) -> Tensor:
    """Return regions of one depth each, cut along contours of the field and of the image's
    brightness.

    In most images, farther ones tend to the top. Brightness counts with a random sign, so that it
    predicts no depth on average.
    """
    n = field.shape[0]
    upright = per_picture(uniform(n, field, generator, 0, 4))
    bright = per_picture(uniform(n, field, generator, -5, 5))
    brightness = guide - guide.mean(dim=(2, 3), keepdim=True)
    contours = torch.sigmoid(1.5 * (field + upright * (0.5 - y) + bright * brightness))
    level = (contours * _LAYERS).long().clamp(max=_LAYERS - 1)
    farthest = log_uniform(n, field, generator, 2.0, 10.0)
    depths = torch.rand(n, _LAYERS, generator=generator, device=field.device)
    ordered = chance(n, field, generator, 0.7)[:, None]
    depths = torch.where(ordered, depths.sort(dim=1).values, depths) * farthest.log()[:, None]
    return depths.gather(1, level.flatten(1)).reshape(field.shape)
