"""Low light: an image as taken by the same camera with far less light.

Images are N x 3 x H x W, float32, sRGB-encoded in [0, 1]; light is linear if an argument is called
so. The generator is on the image's device.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from restore.degrade.jpeg import maybe_jpeg
from restore.degrade.random import Range, chance, log_uniform, per_picture, uniform
from restore.degrade.sensor import read_noise, sensor_noise

_LUMINANCE = (0.2126, 0.7152, 0.0722)  # of linear sRGB, ITU-R BT.709


@dataclass(frozen=True)
class LowLight:
    """Parameter ranges of `lowlight`; every pair is (low, high)."""

    exposure: Range = (1 / 30, 1 / 2)
    """Factor on linear light, drawn log-uniformly."""
    gamma: Range = (0.9, 1.6)
    """Exponent on linear light: dark parts of real pairs lose more than bright ones."""
    saturation: Range = (0.6, 1.0)
    """Factor of the distance from grey."""
    drift: float = 0.15
    """The gains of red and blue lie within a factor of 1 + drift, drawn log-uniformly."""
    shot: Range = (3e-5, 2e-3)
    """Variance per unit of linear signal, drawn log-uniformly."""
    jpeg: float = 0.4
    """Fraction of dark pictures that are JPEG-compressed."""
    jpeg_quality: Range = (70.0, 100.0)
    none: float = 0.1
    """Fraction of pictures that are left well exposed."""

    def at(self, severity: float) -> LowLight:
        """Return one darkness for all images, without JPEG.

        ``severity`` is in (0, 1]: it scales the logarithms of exposure and gamma, the deviation of
        shot noise, and the ranges of colour shift and desaturation; 1 is the darkest of these
        ranges.
        """
        exposure, gamma = self.exposure[0] ** severity, self.gamma[1] ** severity
        shot = self.shot[1] * severity**2
        return replace(
            self,
            exposure=(exposure, exposure),
            gamma=(gamma, gamma),
            saturation=(1 - severity * (1 - self.saturation[0]), 1.0),
            drift=severity * self.drift,
            shot=(shot, shot),
            jpeg=0.0,
            none=0.0,
        )


def lowlight(
    image: Tensor, generator: Generator, ranges: LowLight = LowLight(), scale: float = 1.0
) -> Tensor:
    """Darken an image: darker, desaturated, with a colour cast, noisy, of 8 bits.

    In linear light, white balance shifts, saturation falls, exposure and gamma darken (as in the
    synthetic pairs of Lv et al., "Attention Guided Low-Light Image Enhancement", IJCV 2021), and
    the sensor adds noise at that exposure. The image is then encoded and rounded, and some are
    JPEG-compressed. ``scale`` multiplies the logarithms of exposure, gamma and gains, the loss of
    saturation, and the deviation of the noise; 0 returns the image itself. The result is in [0, 1],
    in steps of 1/255, except for images that are left well exposed.
    """
    image = image.clamp(0, 1)
    if scale == 0:
        return image
    n = image.shape[0]
    exposure = log_uniform(n, image, generator, *ranges.exposure) ** scale
    gamma = log_uniform(n, image, generator, *ranges.gamma) ** scale
    saturation = 1 - scale * (1 - uniform(n, image, generator, *ranges.saturation))
    linear = shift_colour(to_linear(image), _gains(n, image, generator, ranges, scale), saturation)
    dark = darken(linear, exposure, gamma)
    shot = log_uniform(n, image, generator, *ranges.shot)
    dark = dark + scale * sensor_noise(dark, shot, read_noise(shot, generator), generator)
    dark = maybe_jpeg(round8(to_srgb(dark)), generator, ranges.jpeg, ranges.jpeg_quality)
    unchanged = chance(n, image, generator, ranges.none)
    return torch.where(per_picture(unchanged), image, round8(dark))


def dark_noise(
    low: Tensor, generator: Generator, shot: Range = (1e-5, 5e-4), none: float = 0.3
) -> Tensor:
    """Add noise to the dark image of a real pair, which was taken on a tripod at base ISO.

    ``low`` is sRGB-encoded, N x 3 x H x W. Sensor noise is added in linear light with ``shot``
    drawn log-uniformly, and the result is rounded to 8 bits. A fraction ``none`` is unchanged.
    """
    n = low.shape[0]
    drawn = log_uniform(n, low, generator, *shot)
    linear = to_linear(low.clamp(0, 1))
    noisy = linear + sensor_noise(linear, drawn, read_noise(drawn, generator), generator)
    unchanged = chance(n, low, generator, none)
    return torch.where(per_picture(unchanged), low, round8(to_srgb(noisy)))


def shift_colour(linear: Tensor, gains: Tensor, saturation: Tensor) -> Tensor:
    """Multiply white balance by ``gains`` (N x 3), then desaturate by ``saturation`` (N)."""
    linear = linear * gains[:, :, None, None]
    weights = linear.new_tensor(_LUMINANCE)[:, None, None]
    grey = (linear * weights).sum(dim=1, keepdim=True)
    return torch.lerp(grey, linear, per_picture(saturation))


def darken(linear: Tensor, exposure: Tensor, gamma: Tensor) -> Tensor:
    """Return exposure x light ** gamma, with one of each per image: white becomes ``exposure``."""
    return per_picture(exposure) * linear.clamp(min=0) ** per_picture(gamma)


def to_linear(encoded: Tensor) -> Tensor:
    """Decode sRGB to linear light (IEC 61966-2-1); values in [0, 1]."""
    curved = ((encoded + 0.055) / 1.055) ** 2.4
    return torch.where(encoded <= 0.04045, encoded / 12.92, curved)


def to_srgb(linear: Tensor) -> Tensor:
    """Clip linear light to [0, 1] and encode it as sRGB (IEC 61966-2-1)."""
    linear = linear.clamp(0, 1)
    curved = 1.055 * linear ** (1 / 2.4) - 0.055
    return torch.where(linear <= 0.0031308, 12.92 * linear, curved)


def round8(image: Tensor) -> Tensor:
    """Round to the levels of 8 bits, in [0, 1]."""
    return (image.clamp(0, 1) * 255).round() / 255


def _gains(n: int, like: Tensor, generator: Generator, ranges: LowLight, scale: float) -> Tensor:
    most = scale * math.log1p(ranges.drift)
    red, blue = (uniform(n, like, generator, -most, most).exp() for _ in range(2))
    return torch.stack((red, torch.ones_like(red), blue), dim=1)
