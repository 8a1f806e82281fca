"""Healthy pictures of every kind for the judge: photographs, and what is easily taken for a fault.

Pictures are 3 x H x W float32 in [0, 1]. Randomness comes from the two generators of a `Draw`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from restore.degrade.blur import Blur, blur
from restore.degrade.depth import pseudo_depth
from restore.degrade.graphics import graphics
from restore.degrade.lowlight import to_linear, to_srgb
from restore.degrade.plain import plain

LUMA = torch.tensor((0.299, 0.587, 0.114))[:, None, None]
WARM = (1.0, 0.8, 0.5)


@dataclass(frozen=True)
class Draw:
    """Both generators of one sample."""

    rng: np.random.Generator
    torch: Generator

    def uniform(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def log_uniform(self, low: float, high: float) -> float:
        return math.exp(self.uniform(math.log(low), math.log(high)))

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)


def field(size: tuple[int, int], cells: int, draw: Draw) -> Tensor:
    """Smooth noise of deviation about 1, H x W."""
    coarse = torch.randn(1, 1, cells, cells, generator=draw.torch)
    return F.interpolate(coarse, size, mode="bicubic", align_corners=True)[0, 0]


def as_is(image: Tensor, draw: Draw) -> Tensor:
    """A photograph without a change."""
    return image


def by_taste(image: Tensor, draw: Draw) -> Tensor:
    """Exposure, contrast, saturation and white balance that somebody chose; some are grey."""
    linear = to_linear(image.clamp(0, 1)) * draw.log_uniform(0.6, 1.6)
    tint = torch.tensor([draw.log_uniform(0.85, 1.18) for _ in range(3)])[:, None, None]
    x = to_srgb(linear * tint)
    x = (x - 0.5) * draw.uniform(0.8, 1.4) + 0.5 + draw.uniform(-0.04, 0.04)
    grey = (x * LUMA).sum(0, keepdim=True)
    saturation = 0.0 if draw.chance(0.3) else draw.uniform(0.3, 1.6)
    return (grey + (x - grey) * saturation).clamp(0, 1)


def night(image: Tensor, draw: Draw) -> Tensor:
    """A scene at night: little light, and lamps with halos that reach white."""
    _, height, width = image.shape
    dark = to_linear(image) ** draw.uniform(1.0, 1.8) * draw.log_uniform(0.004, 0.08)
    sky = torch.tensor((0.7, 0.85, draw.uniform(1.0, 1.4)))[:, None, None]
    rows, columns = torch.arange(height)[:, None], torch.arange(width)
    light = torch.zeros_like(image)
    for _ in range(int(draw.rng.integers(4, 40))):
        y, x = draw.uniform(0, height), draw.uniform(0, width)
        distance = torch.hypot(rows - y, columns - x)
        radius = draw.log_uniform(0.8, 7)
        core = (radius + 0.5 - distance).clamp(0, 1) * draw.log_uniform(0.8, 6)
        halo = draw.log_uniform(0.005, 0.12) / (1 + (distance / (3 * radius)) ** 2)
        # What stands near a lamp is lit by it.
        lit = image.mean(0) ** 2 / (1 + (distance / (12 * radius)) ** 2) * draw.uniform(0, 0.15)
        warm = torch.tensor(WARM) if draw.chance(0.6) else torch.rand(3, generator=draw.torch)
        light += warm[:, None, None] * (core + halo + lit)
    return to_srgb(dark * sky + light)


def low_key(image: Tensor, draw: Draw) -> Tensor:
    """A lit subject before black."""
    _, height, width = image.shape
    rows = torch.linspace(-1, 1, height)[:, None] - draw.uniform(-0.4, 0.4)
    columns = torch.linspace(-1, 1, width) - draw.uniform(-0.4, 0.4)
    distance = torch.hypot(rows / draw.uniform(0.3, 0.8), columns / draw.uniform(0.3, 0.8))
    fall = torch.sigmoid(draw.uniform(2, 8) * (1 - distance))
    lit = to_linear(image) * fall
    return to_srgb(lit * (0.9 / lit.amax().clamp(min=0.05)))


def mist(image: Tensor, draw: Draw) -> Tensor:
    """Mist in the distance, behind a near ground that is clear."""
    log_depth = pseudo_depth(image[None], draw.torch, (0.6, 0.1, 0.0, 0.3))[0].log()
    near = log_depth.flatten().quantile(draw.uniform(0.35, 0.7))
    far = log_depth.flatten().quantile(0.97) - near
    thickness = ((log_depth - near) / far.clamp(min=1e-3)).clamp(min=0) * draw.uniform(0.5, 3)
    seen = torch.exp(-thickness)
    light = draw.uniform(0.5, 0.92) * torch.tensor(
        [draw.log_uniform(0.93, 1.07) for _ in range(3)]
    ).view(3, 1, 1)
    return (image * seen + light.clamp(max=1) * (1 - seen)).clamp(0, 1)


def snow(image: Tensor, draw: Draw) -> Tensor:
    """White ground and white on what is bright, dark things left dark."""
    _, height, width = image.shape
    luma = (image * LUMA).sum(0)
    down = torch.linspace(-1, 1, height)[:, None] - draw.uniform(-0.6, 0.4)
    cover = torch.sigmoid(5 * (down + 0.5 * field((height, width), 4, draw)) + 6 * (luma - 0.4))
    detail = (luma - F.avg_pool2d(luma[None, None], 9, 1, 4)[0, 0]) * draw.uniform(0.3, 0.9)
    white = torch.tensor((draw.uniform(0.8, 0.96), draw.uniform(0.84, 0.97), 0.97))[:, None, None]
    grey = (0.6 * image + 0.4 * luma).clamp(0, 1)
    return torch.lerp(grey, white + detail, cover).clamp(0, 1)


def grain(image: Tensor, draw: Draw) -> Tensor:
    """Film grain: of one colour, a pixel or more wide, strongest in middle tones."""
    luma = (image * LUMA).sum(0, keepdim=True)
    look = luma + (image - luma) * (0.0 if draw.chance(0.6) else draw.uniform(0.3, 0.9))
    size = draw.uniform(0.6, 1.4)
    taps = torch.arange(-4, 5)
    kernel = torch.exp(-(taps**2) / (2 * size**2))
    noise = torch.randn(1, 1, *image.shape[1:], generator=draw.torch)
    for shape in ((1, 1, 9, 1), (1, 1, 1, 9)):
        noise = F.conv2d(noise, kernel.view(shape), padding=(shape[2] // 2, shape[3] // 2))
    noise = noise / noise.std() * draw.uniform(2, 8) / 255
    return (look + noise[0] * (4 * luma * (1 - luma)).clamp(min=0.2)).clamp(0, 1)


def shallow(image: Tensor, draw: Draw) -> Tensor:
    """A sharp subject before a background out of focus."""
    _, height, width = image.shape
    radius = draw.uniform(2, 10)
    discs = Blur(radius=(radius, radius), defocus=1, varying=0, sigma=(0, 0), none=0)
    behind = blur(image[None], draw.torch, discs)[0]
    rows = torch.linspace(-1, 1, height)[:, None] - draw.uniform(-0.4, 0.4)
    columns = torch.linspace(-1, 1, width) - draw.uniform(-0.4, 0.4)
    distance = torch.hypot(rows / draw.uniform(0.45, 1), columns / draw.uniform(0.45, 1))
    subject = torch.sigmoid(12 * (1 - distance + 0.2 * field((height, width), 5, draw)))
    return torch.lerp(behind, image, subject).clamp(0, 1)


def soft(image: Tensor, draw: Draw) -> Tensor:
    """As cameras deliver at full resolution: a little soft, or sharpened."""
    if draw.chance(0.3):
        smooth = F.avg_pool2d(image[None], 3, 1, 1, count_include_pad=False)[0]
        return (image + draw.uniform(0.2, 1.0) * (image - smooth)).clamp(0, 1)
    size = [max(1, round(side * draw.uniform(1.1, 1.7))) for side in image.shape[1:]]
    larger = F.interpolate(image[None], size, mode="bicubic", align_corners=False)[0].clamp(0, 1)
    return larger[:, : image.shape[1], : image.shape[2]].contiguous()


def drawn(image: Tensor, draw: Draw) -> Tensor:
    """A drawing, a text page, a plain picture, or a screenshot with the photograph in a window."""
    _, height, width = image.shape
    if draw.chance(0.15):
        return plain(1, height, width, draw.torch)[0]
    page = graphics(1, height, width, draw.torch)[0]
    if draw.chance(0.4):
        top, left = int(height * draw.uniform(0.05, 0.5)), int(width * draw.uniform(0.05, 0.5))
        bottom, right = int(height * draw.uniform(0.6, 1)), int(width * draw.uniform(0.6, 1))
        page[:, top:bottom, left:right] = image[:, top:bottom, left:right]
    return page


KINDS: Mapping[str, tuple[float, Callable[[Tensor, Draw], Tensor]]] = {
    "photograph": (0.30, as_is),
    "by taste": (0.14, by_taste),
    "night": (0.09, night),
    "low key": (0.04, low_key),
    "mist": (0.06, mist),
    "snow": (0.06, snow),
    "grain": (0.08, grain),
    "shallow focus": (0.09, shallow),
    "soft": (0.05, soft),
    "drawn": (0.09, drawn),
}
"""Share among healthy samples, and how one is made of a photograph."""
