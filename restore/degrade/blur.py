"""Blur: camera shake and defocus.

Images are N x 3 x H x W, float32 in [0, 1], as encoded in files. The generator is on the image's
device.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from restore.degrade.kernels import apply_kernels, defocus_kernels, fit, splat, trajectories
from restore.degrade.noise import gaussian_noise
from restore.degrade.random import Range, chance, per_picture, uniform

ANCHORS = 4
"""Places of a picture, at most, that have a kernel of their own."""


@dataclass(frozen=True)
class Blur:
    """Parameter ranges of `blur`; every pair is (low, high), drawn uniformly.

    On sharp frames of GoPro (Nah et al., CVPR 2017), the defaults give about the input PSNR of its
    blurred frames: a median of 31 dB against 30.
    """

    extent: Range = (9.0, 41.0)
    """Of shake, in pixels: the side of the square around the centroid that holds the path."""
    defocus: float = 0.15
    """Fraction of blurred pictures that are out of focus; the others are shaken."""
    radius: Range = (1.0, 6.0)
    """Of the disc that a point out of focus becomes, in pixels."""
    varying: float = 0.4
    """Fraction of pictures whose blur changes from place to place."""
    sigma: Range = (0.0, 5 / 255)
    """Gaussian noise added after the blur, on the encoded picture."""
    none: float = 0.05
    """Fraction of pictures left sharp and without noise."""
    gamma: float = 2.2
    """Light is the encoded picture to this power."""

    def at(self, severity: float) -> Blur:
        """Return the same kinds of blur at one strength: ``severity`` in (0, 1] of the largest."""

        def pinned(largest: float) -> Range:
            return severity * largest, severity * largest

        side = 1 + pinned(self.extent[1] - 1)[0]  # a shake of one pixel has no effect
        return replace(
            self,
            extent=(side, side),
            radius=pinned(self.radius[1]),
            sigma=pinned(self.sigma[1]),
            none=0.0,
        )


def blur(image: Tensor, generator: Generator, ranges: Blur = Blur(), scale: float = 1.0) -> Tensor:
    """Blur an image in linear light, as by a shaken or misfocused camera, then add noise.

    Kernels are centred on their centroid, so nothing is displaced. ``scale`` multiplies the size of
    the kernels and the noise; 0 returns the image itself. The result is in [0, 1].
    """
    if scale == 0:
        return image.clamp(0, 1)
    n = image.shape[0]
    kernels, weights = _draw_kernels(image, generator, ranges, scale)
    light = apply_kernels(image.clamp(0, 1) ** ranges.gamma, kernels, weights)
    blurred = light.clamp(0, 1) ** (1 / ranges.gamma)
    sigma = scale * uniform(n, image, generator, *ranges.sigma)
    noisy = gaussian_noise(blurred, sigma, generator)
    sharp = per_picture(chance(n, image, generator, ranges.none))
    return torch.where(sharp, image, noisy).clamp(0, 1)


def _draw_kernels(
    image: Tensor, generator: Generator, ranges: Blur, scale: float
) -> tuple[Tensor, Tensor]:
    """Return kernels, N x ANCHORS x s x s, and their weights per pixel, N x ANCHORS x H x W."""
    n, _, height, width = image.shape

    def draw(low: float, high: float, each: int = 1) -> Tensor:
        return uniform(n * each, image, generator, low, high).reshape(n, each)

    varying = chance(n, image, generator, ranges.varying)[:, None]
    count = torch.where(varying, 2 + draw(0, ANCHORS - 1).long(), 1)
    used = torch.arange(ANCHORS, device=image.device) < count
    anchors = torch.complex(draw(-1, 1, ANCHORS), draw(-1, 1, ANCHORS))
    anchors = torch.where(used, anchors, anchors[:, :1])

    largest = scale * max((ranges.extent[1] - 1) / 2, ranges.radius[1])
    size = 2 * math.ceil(largest - 1e-6) + 1

    # Pitch and yaw move the whole image equally. Roll moves each place perpendicular to its
    # direction from the centre.
    paths = fit(trajectories(2 * n, generator)[:, None], torch.ones(2 * n, device=image.device))
    shift, roll = paths.chunk(2)
    roll = draw(0, 1)[..., None] * roll.real
    reach = scale * (draw(*ranges.extent)[:, 0] - 1) / 2
    shaken = splat(fit(shift + 1j * anchors[..., None] * roll, reach), size)

    nearer = draw(0.3, 1, ANCHORS)
    nearer[:, 0] = 1  # the place of the largest defocus
    discs = defocus_kernels(scale * draw(*ranges.radius) * nearer, size)
    unfocused = chance(n, image, generator, ranges.defocus)
    kernels = torch.where(per_picture(unfocused), discs, shaken)
    return kernels, _weights(anchors, used, height, width)


def _weights(anchors: Tensor, used: Tensor, height: int, width: int) -> Tensor:
    """Return smooth weights of the anchors, at N x K places x + iy in [-1, 1], in every pixel; 0
    for unused ones."""

    def nearness(places: Tensor, side: int) -> Tensor:
        pixels = (2 * torch.arange(side, device=places.device) + 1) / side - 1
        return torch.exp(-4 * (places[..., None] - pixels) ** 2)  # N x K x side

    rows, columns = nearness(anchors.imag, height), nearness(anchors.real, width)
    shares = used[..., None, None] * rows[..., None] * columns[..., None, :]
    return shares / shares.sum(dim=1, keepdim=True)
