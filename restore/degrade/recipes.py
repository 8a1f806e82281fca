"""The degradation that each head is trained to undo: clean patches in, degraded patches out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from restore.degrade.blur import blur
from restore.degrade.haze import Haze, haze
from restore.degrade.lowlight import dark_noise, lowlight
from restore.degrade.noise import MAX_SIGMA, camera_noise, gaussian_noise
from restore.degrade.rain import rain
from restore.degrade.random import chance, per_picture


def denoise(clean: Tensor, generator: Generator) -> Tensor:
    """Add blind Gaussian noise, sigma U(0, 55)/255, to half of the images, and camera noise to the
    others.

    Gaussian results are not clipped: a denoiser trained only on clipped noise is biased on
    unclipped noise. The camera half is clipped.
    """
    n = clean.shape[0]
    sigma = MAX_SIGMA * torch.rand(n, generator=generator, device=clean.device)
    camera = torch.rand(n, generator=generator, device=clean.device) < 0.5
    noisy = gaussian_noise(clean, sigma, generator)
    if bool(camera.any()):
        noisy[camera] = camera_noise(clean[camera], generator)
    return noisy


def derain(clean: Tensor, generator: Generator) -> Tensor:
    """Add heavy rain to six in ten images and light rain to four; one in ten stays dry."""
    return rain(clean, generator)


def deblur(clean: Tensor, generator: Generator) -> Tensor:
    """Apply shake, defocus and a little noise, as in `Blur`."""
    return blur(clean, generator)


def dehaze(clean: Tensor, generator: Generator) -> Tensor:
    """Add haze at a synthetic depth."""
    return haze(clean, generator)


ROOMS = Haze(beta=(0.5, 1.8), white=0.6)
"""Haze of SOTS indoor, measured on ten pairs: the airlight is white, and the optical depth of a
room's farthest point is 0.6 to 1.6."""


def dehaze_at_depth(clean: Tensor, generator: Generator, depth: Tensor, metric: Tensor) -> Tensor:
    """Add haze at a known depth. Eight in ten rooms have the haze of `ROOMS`, by their depth in
    fractions of the farthest; all others count as scenes of any size."""
    rooms = metric & chance(len(clean), clean, generator, 0.8)
    depth = depth.clamp(min=1e-3)
    farthest = depth.flatten(1).amax(dim=1)[:, None, None, None]
    return haze(clean, generator, ROOMS, depth=depth / farthest, metric=rooms)


def enhance(clean: Tensor, generator: Generator) -> Tensor:
    """Simulate the same camera with far less light, as in `LowLight`."""
    return lowlight(clean, generator)


def blurred_pair(blurred: Tensor, sharp: Tensor, generator: Generator) -> Tensor:
    """Replace one pair in twenty by its sharp image twice, so that sharp images stay unchanged."""
    return _mostly(blurred, sharp, generator, 0.05)


def dark_pair(dark: Tensor, bright: Tensor, generator: Generator) -> Tensor:
    """Add noise to most dark images; one pair in ten is its well-exposed image twice."""
    return _mostly(dark_noise(dark, generator), bright, generator, 0.1)


def _mostly(degraded: Tensor, clean: Tensor, generator: Generator, healthy: float) -> Tensor:
    unharmed = chance(len(clean), clean, generator, healthy)
    return torch.where(per_picture(unharmed), clean, degraded)


@dataclass(frozen=True)
class Recipe:
    """How training images of a head are degraded.

    ``degrade``: degrades clean patches (N x 3 x H x W in [0, 1]). ``at_depth``: does so at a known
    depth (clean, generator, depth N x 1 x H x W, whether it is metric: N). ``pair``: makes the
    degraded half of real pairs (degraded, clean, generator) more like users' images: it adds
    degradations that the pairs lack, and healthy images.
    """

    degrade: Callable[[Tensor, Generator], Tensor]
    at_depth: Callable[[Tensor, Generator, Tensor, Tensor], Tensor] | None = None
    pair: Callable[[Tensor, Tensor, Generator], Tensor] | None = None


RECIPES: Mapping[str, Recipe] = {
    "denoise": Recipe(denoise),
    "deblur": Recipe(deblur, pair=blurred_pair),
    "derain": Recipe(derain),
    "dehaze": Recipe(dehaze, at_depth=dehaze_at_depth),
    "enhance": Recipe(enhance, pair=dark_pair),
}
