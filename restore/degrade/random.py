"""Random draws of the forward models: one number per image, from the caller's generator.

``like`` gives the device, which is that of the generator.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

Range = tuple[float, float]


def uniform(n: int, like: Tensor, generator: Generator, low: float, high: float) -> Tensor:
    """Draw N numbers in [low, high)."""
    return low + (high - low) * torch.rand(n, generator=generator, device=like.device)


def log_uniform(n: int, like: Tensor, generator: Generator, low: float, high: float) -> Tensor:
    """Draw N numbers in [low, high), uniform in their logarithm; both bounds must be above 0."""
    return uniform(n, like, generator, math.log(low), math.log(high)).exp()


def chance(n: int, like: Tensor, generator: Generator, probability: float) -> Tensor:
    """Draw N truth values, true with the given probability."""
    return uniform(n, like, generator, 0, 1) < probability


def normal(like: Tensor, generator: Generator) -> Tensor:
    """Draw white noise of deviation 1 in the shape and type of ``like``."""
    return torch.randn(like.shape, generator=generator, device=like.device, dtype=like.dtype)


def per_picture(values: Tensor) -> Tensor:
    """Reshape N to N x 1 x 1 x 1, to weight whole images."""
    return values[:, None, None, None]
