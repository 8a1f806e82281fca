"""Noise of photographs: Gaussian, and that of a camera after its processing.

Images are N x 3 x H x W, float32, sRGB-encoded in [0, 1]. Every function is pure; the generator is
on the image's device.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from restore.degrade.jpeg import maybe_jpeg
from restore.degrade.random import Range, chance, log_uniform, normal, per_picture, uniform
from restore.degrade.sensor import read_noise, sensor_noise

MAX_SIGMA = 55 / 255
"""The strongest Gaussian noise that denoisers are trained on."""

# Linear sRGB -> XYZ, and XYZ -> camera matrices of four cameras, as in "Unprocessing Images for
# Learned Raw Denoising" (CVPR 2019), which took them from the public DNG profiles of the DND
# cameras.
_RGB_TO_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
_XYZ_TO_CAMERA = (
    ((1.0234, -0.2969, -0.2266), (-0.5625, 1.6328, -0.0469), (-0.0703, 0.2188, 0.6406)),
    ((0.4913, -0.0541, -0.0202), (-0.6130, 1.3513, 0.2906), (-0.1564, 0.2151, 0.7183)),
    ((0.8380, -0.2630, -0.0639), (-0.2887, 1.0725, 0.2496), (-0.0627, 0.1427, 0.5438)),
    ((0.6596, -0.2079, -0.0562), (-0.4782, 1.3016, 0.1933), (-0.0970, 0.1581, 0.5181)),
)


@dataclass(frozen=True)
class CameraNoise:
    """Parameter ranges of `camera_noise`; every pair is (low, high)."""

    shot: Range = (1e-4, 1.2e-2)
    """Variance per unit of linear signal, drawn log-uniformly."""
    red_gain: Range = (1.9, 2.4)
    blue_gain: Range = (1.5, 1.9)
    correlated: float = 0.7
    """Fraction of samples whose noise passes through a bilinear demosaic."""
    jpeg: float = 0.5
    """Fraction of samples that are JPEG-compressed afterwards."""
    jpeg_quality: Range = (60.0, 100.0)

    def at(self, severity: float) -> CameraNoise:
        """Return one noise level, without JPEG: ``severity`` in (0, 1] of the deviation of the
        strongest shot noise."""
        shot = self.shot[1] * severity**2
        return replace(self, shot=(shot, shot), jpeg=0.0)


def gaussian_noise(image: Tensor, sigma: Tensor | float, generator: Generator) -> Tensor:
    """Add white Gaussian noise of standard deviation ``sigma`` (a number, or one per picture).

    ``sigma`` is on the image's scale, so 25 / 255 for the level called 25. Nothing is clipped.
    """
    if isinstance(sigma, Tensor) and sigma.ndim == 1:
        sigma = per_picture(sigma)
    return image + normal(image, generator) * sigma


def camera_noise(
    image: Tensor, generator: Generator, ranges: CameraNoise = CameraNoise(), scale: float = 1.0
) -> Tensor:
    """Add noise to the raw signal of an image and process it again, as a camera does.

    The image is converted to linear camera colours (tone curve, gamma, colour matrix and white
    balance inverted), gets Poisson-Gaussian noise there, and is converted back; half of the results
    are JPEG-compressed. Levels and formulas are those of "Unprocessing Images for Learned Raw
    Denoising" (Brooks et al., CVPR 2019, section 3). The correlation of the noise, as left by a
    bilinear demosaic, is our addition. ``scale`` multiplies the noise; 0 disables all of it.

    The result is in [0, 1].
    """
    if scale == 0:
        return image.clamp(0, 1)
    n = image.shape[0]
    matrix, gains = _camera(n, image, generator, ranges)
    linear = _unprocess(image, matrix, gains)
    shot = log_uniform(n, image, generator, *ranges.shot)
    noise = scale * sensor_noise(linear, shot, read_noise(shot, generator), generator)
    correlated = chance(n, image, generator, ranges.correlated)
    noise = torch.where(per_picture(correlated), _demosaic(noise), noise)
    noisy = _process((linear + noise).clamp(0, 1), matrix, gains)
    return maybe_jpeg(noisy, generator, ranges.jpeg, ranges.jpeg_quality)


def _camera(
    n: int, like: Tensor, generator: Generator, ranges: CameraNoise
) -> tuple[Tensor, Tensor]:
    """Draw colour matrices (N x 3 x 3, sRGB to camera) and white-balance gains (N x 3)."""
    to_camera = torch.tensor(_XYZ_TO_CAMERA, device=like.device)
    weights = torch.rand(n, len(_XYZ_TO_CAMERA), generator=generator, device=like.device)
    weights = weights / weights.sum(dim=1, keepdim=True)
    mixed = torch.einsum("nk,kij->nij", weights, to_camera)
    matrix = mixed @ torch.tensor(_RGB_TO_XYZ, device=like.device)
    matrix = matrix / matrix.sum(dim=-1, keepdim=True)  # white stays white
    red = uniform(n, like, generator, *ranges.red_gain)
    blue = uniform(n, like, generator, *ranges.blue_gain)
    exposure = 1 / (0.8 + 0.1 * torch.randn(n, generator=generator, device=like.device))
    gains = torch.stack((red, torch.ones_like(red), blue), dim=1)
    return matrix, gains * exposure.clamp(0.8, 2.0)[:, None]


def _unprocess(image: Tensor, matrix: Tensor, gains: Tensor) -> Tensor:
    x = image.clamp(0, 1)
    x = 0.5 - torch.sin(torch.asin(1 - 2 * x) / 3)  # inverse of the smoothstep tone curve
    x = x.clamp(min=1e-8) ** 2.2
    x = torch.einsum("nij,njhw->nihw", matrix, x)
    # Dividing highlights by the gains would turn clipped white into colour: near white the
    # division fades out, as in the paper.
    inverse = 1 / gains[:, :, None, None]
    bright = ((x.mean(dim=1, keepdim=True) - 0.9) / 0.1).clamp(min=0) ** 2
    return x * torch.maximum(bright + (1 - bright) * inverse, inverse)


def _process(linear: Tensor, matrix: Tensor, gains: Tensor) -> Tensor:
    x = (linear * gains[:, :, None, None]).clamp(0, 1)
    x = torch.einsum("nij,njhw->nihw", torch.linalg.inv(matrix), x).clamp(1e-8, 1)
    x = x ** (1 / 2.2)
    return 3 * x**2 - 2 * x**3


def _demosaic(noise: Tensor) -> Tensor:
    """Keep each channel's noise at its places in an RGGB mosaic and interpolate the rest."""
    h, w = noise.shape[2:]
    if min(h, w) < 2:  # no neighbours to interpolate from
        return noise
    rows = torch.arange(h, device=noise.device)[:, None] % 2
    columns = torch.arange(w, device=noise.device)[None, :] % 2
    red, blue = (rows + columns == 0), (rows + columns == 2)
    mosaic = noise * torch.stack((red, ~(red | blue), blue)).to(noise.dtype)
    quarter = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]], device=noise.device) / 4
    cross = torch.tensor([[0.0, 1, 0], [1, 4, 1], [0, 1, 0]], device=noise.device) / 4
    kernel = torch.stack((quarter, cross, quarter))[:, None]
    return F.conv2d(F.pad(mosaic, (1, 1, 1, 1), mode="reflect"), kernel, groups=3)
