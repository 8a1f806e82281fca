"""Drawings, screenshots and text pages: saturated colours with hard edges, black on white.

A network trained only on photographs mistakes such edges for damage: it blurred a one-pixel border
between saturated colours over 16 pixels and turned white paper grey.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from restore.degrade.random import chance, per_picture, uniform

SHAPES = 4
"""Shapes of a drawing, painted one over the other."""
SATURATED = 0.6
"""Fraction of colours at a corner of the RGB cube; the others are uniform."""
PAGES = 0.5
"""Fraction of text pages; the others are drawings."""
WHITE = 0.7
"""Fraction of pages that are exactly black on white."""


def graphics(n: int, height: int, width: int, generator: Generator) -> Tensor:
    """Draw N x 3 x height x width images in [0, 1], on the generator's device."""
    drawn = _drawings(n, height, width, generator)
    pages = _pages(n, height, width, generator)
    return torch.where(per_picture(chance(n, drawn, generator, PAGES)), pages, drawn)


def _colours(n: int, generator: Generator) -> Tensor:
    """Draw colours, N x 3 x 1 x 1."""
    free = torch.rand(n, 3, 1, 1, generator=generator, device=generator.device)
    return torch.where(per_picture(chance(n, free, generator, SATURATED)), free.round(), free)


def _drawings(n: int, height: int, width: int, generator: Generator) -> Tensor:
    """Discs, bars and half-planes without anti-aliasing."""
    device = generator.device
    like = torch.empty(n, 1, 1, 1, device=device)

    def draw(low: float, high: float) -> Tensor:
        return per_picture(uniform(n, like, generator, low, high))

    rows = torch.linspace(-1, 1, height, device=device)[:, None]
    columns = torch.linspace(-1, 1, width, device=device)
    image = _colours(n, generator).expand(n, 3, height, width).clone()
    for _ in range(SHAPES):
        y, x, angle, size = draw(-1, 1), draw(-1, 1), draw(0, 2 * math.pi), draw(0.05, 0.8)
        along = (columns - x) * angle.cos() + (rows - y) * angle.sin()
        across = (rows - y) * angle.cos() - (columns - x) * angle.sin()
        disc = along.square() + across.square() < size.square()
        bar = (along.abs() < size) & (across.abs() < size * draw(0.02, 1))
        kind = torch.randint(3, (n, 1, 1, 1), generator=generator, device=device)
        inside = torch.where(kind == 0, disc, torch.where(kind == 1, bar, along > 0))
        image = torch.where(inside, _colours(n, generator), image)
    return image


def _pages(n: int, height: int, width: int, generator: Generator) -> Tensor:
    """Lines of words of strokes one to three pixels wide; some pages are blank."""
    device = generator.device
    like = torch.empty(n, 1, 1, 1, device=device)

    def draw(low: float, high: float) -> Tensor:
        return per_picture(uniform(n, like, generator, low, high))

    strokes = _noise(n, height, width, 3, generator)
    fine = torch.rand(n, 1, height, width, generator=generator, device=device)
    strokes = torch.where(draw(0, 1) < 0.5, strokes, fine) < draw(0.3, 0.6)
    spacing = draw(8, 32)
    rows = torch.arange(height, device=device)[:, None] + draw(0, 32)
    in_line = rows.remainder(spacing) < spacing * 0.6
    words = _noise(n, 1, width, 12, generator) < draw(0, 1)
    ink = (strokes & in_line & words).float()
    white = per_picture(chance(n, like, generator, WHITE))
    paper = torch.where(white, 1.0, _colours(n, generator))
    colour = torch.where(white, 0.0, _colours(n, generator))
    return torch.lerp(paper, colour, ink)


def _noise(n: int, height: int, width: int, cell: int, generator: Generator) -> Tensor:
    """Draw noise, N x 1 x height x width, uniform in [0, 1), constant over cells of that size."""
    size = (n, 1, -(-height // cell), -(-width // cell))
    coarse = torch.rand(size, generator=generator, device=generator.device)
    return F.interpolate(coarse, scale_factor=cell, mode="nearest")[..., :height, :width]
