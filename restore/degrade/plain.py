"""Images without texture: flat ones, ramps and steps, most of them grey.

In such an image, haze cannot be told from a bright wall, nor darkness from black paint, so a head
must leave it unchanged. Heads that were never trained on such images add casts and halos.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from restore.degrade.random import chance, per_picture, uniform

COLOURED = 0.3
"""Fraction of the pictures that have a colour."""
TINT = 0.2
"""How far a channel of those may lie from grey, as a fraction of it."""


def plain(n: int, height: int, width: int, generator: Generator) -> Tensor:
    """Draw N x 3 x height x width in [0, 1], on the generator's device: a third each flat, a ramp
    and a step between two levels, in any direction and place."""
    device = generator.device
    like = torch.empty(n, 1, 1, 1, device=device)

    def draw(low: float, high: float) -> Tensor:
        return per_picture(uniform(n, like, generator, low, high))

    first, second, angle = draw(0, 1), draw(0, 1), draw(0, 2 * math.pi)
    rows = torch.linspace(-1, 1, height, device=device)[:, None]
    columns = torch.linspace(-1, 1, width, device=device)
    along = (angle.cos() * columns + angle.sin() * rows) / (angle.cos().abs() + angle.sin().abs())
    kind = torch.randint(3, (n, 1, 1, 1), generator=generator, device=device)
    share = torch.where(kind == 1, (along + 1) / 2, (along > draw(-0.8, 0.8)).float())
    share = torch.where(kind == 0, 0.0, share)
    grey = torch.lerp(first, second, share)
    tint = TINT * (2 * torch.rand(n, 3, 1, 1, generator=generator, device=device) - 1)
    coloured = per_picture(chance(n, like, generator, COLOURED))
    return (grey * (1 + tint * coloured)).clamp(0, 1)
