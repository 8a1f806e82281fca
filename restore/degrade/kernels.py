"""Blur kernels: images of a point of light by a moving or misfocused camera.

A kernel is s x s with s odd, sums to 1 and is nowhere negative. Its centroid is the centre pixel,
so blurring does not shift the image.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from restore.degrade.random import uniform

STEPS = 400
"""Points of a trajectory; 41 px of a straight one lie a tenth of a pixel apart."""

EXPOSURES = (20.0, 200.0, 1000.0, 2000.0)
"""1/100, 1/10, 1/2 and all of DeblurGAN's 2000 steps: what the shutter lets through."""


def shake_kernels(
    n: int, size: int, generator: Generator, extent: Tensor | float | None = None
) -> Tensor:
    """Draw kernels of camera shake, N x size x size, on the generator's device.

    ``extent`` (a number, or one per kernel; ``size`` by default) is the side, in pixels, of the
    smallest square around the centroid that contains the trajectory. ``size`` must be at least
    ``extent``.
    """
    extents = torch.as_tensor(size if extent is None else extent, device=generator.device)
    paths = trajectories(n, generator)[:, None]
    return splat(fit(paths, (extents.expand(n) - 1) / 2), size)[:, 0]


def trajectories(n: int, generator: Generator) -> Tensor:
    """Draw paths of shaking cameras, N x STEPS complex numbers x + iy, starting near 0, of any
    scale.

    A particle moves at constant speed; its heading jitters and sometimes reverses, and it is pulled
    back to its start (Boracchi and Foi, "Modeling the Performance of Image Restoration from Motion
    Blur", TIP 2012). Rates are those of DeblurGAN (Kupyn et al., CVPR 2018), except for the pull:
    theirs bends the heading, ours slows the particle, so that sums replace 2000 steps.
    """
    like = torch.empty(0, device=generator.device)

    def draw(low: float, high: float) -> Tensor:
        return uniform(n, like, generator, low, high)[:, None]

    which = draw(0, len(EXPOSURES)).long()
    step = torch.tensor(EXPOSURES, device=like.device)[which] / STEPS  # in theirs
    anxiety = draw(0, 0.1)
    jitter = anxiety * draw(0, 10)  # radians
    impulses = anxiety * draw(0, 0.2)  # a step
    pull = 0.005 * draw(0, 0.7)

    draws = torch.rand(2, n, STEPS, generator=generator, device=like.device)
    reversal = (draws[0] < impulses * step) * (math.pi + 2 * (draws[1] - 0.5))
    wobble = torch.randn(n, STEPS, generator=generator, device=like.device) * jitter * step.sqrt()
    heading = draw(0, 2 * math.pi) + (wobble + reversal).cumsum(dim=1)

    # x_t = exp(-pull) x_(t-1) + v_t, whose solution is exp(-pull t) times a sum.
    decay = torch.exp(-pull * step * torch.arange(STEPS, device=like.device))
    return torch.polar(1 / decay, heading).cumsum(dim=1) * decay


def fit(paths: Tensor, radius: Tensor) -> Tensor:
    """Centre N x K x T paths, each on its mean, and scale the K paths of an image equally to reach
    ``radius``.

    The farthest point of an image is then N ``radius`` pixels away in x or in y.
    """
    centred = paths - paths.mean(dim=-1, keepdim=True)
    reach = torch.view_as_real(centred).abs().flatten(1).amax(dim=1)
    return centred * (radius / reach.clamp(min=1e-12))[:, None, None]


def splat(points: Tensor, size: int) -> Tensor:
    """Convert ... x T points x + iy to ... x size x size kernels; each point is shared by its four
    pixels.

    Shares are bilinear, which keeps the centroid exact. The product of matrices gives the same
    result in every run, unlike atomic additions.
    """
    pixels = torch.arange(size, device=points.device) - (size - 1) / 2

    def tents(positions: Tensor) -> Tensor:
        return (1 - (positions[..., None] - pixels).abs()).clamp(min=0)  # ... x T x size

    kernels = tents(points.imag).transpose(-1, -2) @ tents(points.real)
    return kernels / kernels.sum(dim=(-1, -2), keepdim=True)


def defocus_kernels(radius: Tensor, size: int) -> Tensor:
    """Return anti-aliased discs, ... x size x size, one for each of ... radii in pixels.

    Their variance is that of an ideal disc, radius**2 / 4 in x and in y, to 3 % from radius 2.5 on
    and to 16 % from 1 on, where pixels are coarse; below 0.8 they are a point.
    """
    pixels = torch.arange(size, device=radius.device) - (size - 1) / 2
    distance = torch.hypot(pixels[:, None], pixels)
    # The soft edge adds 5/12 to the square of the radius in the variance.
    inner = (radius**2 - 5 / 12).clamp(min=0.25).sqrt()[..., None, None]
    kernels = (inner + 0.5 - distance).clamp(0, 1)
    return kernels / kernels.sum(dim=(-1, -2), keepdim=True)


def apply_kernels(image: Tensor, kernels: Tensor, weights: Tensor | None = None) -> Tensor:
    """Convolve images N x C x H x W with kernels N x K x s x s and blend the K results.

    ``weights``, N x K x H x W, sum to 1 over K; by default, all results have equal weight. Borders
    are reflected, or repeated if an image is smaller than half a kernel.
    """
    count, size = kernels.shape[1], kernels.shape[-1]
    height, width = image.shape[2:]
    margin = size // 2
    mode = "reflect" if margin < min(height, width) else "replicate"
    padded = F.pad(image, (margin,) * 4, mode=mode)
    canvas = [
        -(-side // 16) * 16 for side in padded.shape[2:]
    ]  # FFTs are fastest at composite sizes
    spectrum = torch.fft.rfft2(padded, s=canvas)
    result = torch.zeros_like(image)
    for k in range(count):
        some: slice | Tensor = slice(None)
        if weights is not None:  # skip kernels without weight
            some = weights[:, k].flatten(1).any(dim=1).nonzero()[:, 0]
            if not len(some):  # MKL raises on an FFT of an empty batch (torch 2.14)
                continue
        kernel = torch.fft.rfft2(kernels[some, k], s=canvas)[:, None]
        blurred = torch.fft.irfft2(spectrum[some] * kernel, s=canvas)
        # Kernels are centred at (margin, margin), not at the origin: shift the result by that.
        blurred = blurred[..., 2 * margin :, 2 * margin :][..., :height, :width]
        result[some] += blurred / count if weights is None else blurred * weights[some, k, None]
    return result
