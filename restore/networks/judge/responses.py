"""How restoration networks change a view: what the heads themselves say about its faults.

The heads were trained for hours to find one fault each. A view that a head leaves as it is does not
have its fault, and one from which it takes bright streaks has rain. All functions take images in
[0, 1], N x 3 x H x W, H and W multiples of 32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from restore.networks.judge.statistics import LUMA, directions, quantiles

Restore = Callable[[Tensor], Tensor]
"""A restoration network: images in, images of the same shape out."""
LIGHT = 0.4
"""Mean luma that tells light scenes, which may be hazy, from dark ones."""
_PARTS = (0.1, 0.5, 0.9, 0.99)
"""Quantiles of the size of a change."""
_FLOOR = 0.1
"""Added to levels of 255 before a logarithm."""
_DARKEST = 0.02
"""Added to tones before a logarithm."""


def response(before: Tensor, after: Tensor) -> Tensor:
    """Describe a head's change of images: N x `COUNT`.

    How large it is, absolutely and relative to the detail; how much light it takes or adds, and
    whether in bright spots; its direction; and how much sharper, brighter, steeper and more
    colourful the image became.
    """
    change = 255 * (before - after)
    luma = _luma(change)
    rms = _rms(change)
    grey = F.avg_pool2d(luma, 2)
    small = (F.avg_pool2d(before, 2), F.avg_pool2d(after, 2))
    contrast = before.std((1, 2, 3)), after.std((1, 2, 3))
    numbers = [
        (rms + _FLOOR).log(),
        (rms + _FLOOR).log() - (255 * contrast[0] + _FLOOR).log(),
        (_rms(change - luma) + _FLOOR).log() - (_rms(luma) + _FLOOR).log(),
        (_rms(grey) + _FLOOR).log() - (_rms(luma) + _FLOOR).log(),
        change.mean((1, 2, 3)).asinh(),
        (_rms(luma.clamp(min=0)) + _FLOOR).log() - (_rms(luma.clamp(max=0)) + _FLOOR).log(),
        _detail(after) - _detail(before),
        _detail(small[1]) - _detail(small[0]),
        (contrast[1] + _DARKEST).log() - (contrast[0] + _DARKEST).log(),
        _tone(after) - _tone(before),
        _dark(after) - _dark(before),
        (_spread(after) + _FLOOR).log() - (_spread(before) + _FLOOR).log(),
    ]
    sizes = quantiles(luma.abs().flatten(1), _PARTS)
    return torch.cat((torch.stack(numbers, 1), (sizes + _FLOOR).log(), *directions(luma)), dim=1)


def of_scenes(scenes: Tensor, heads: Sequence[Restore]) -> Tensor:
    """Ask the first of two heads about scenes lighter than `LIGHT`, the second about darker ones:
    N x heads * `COUNT`. A head that is not asked changes nothing."""
    light = _luma(scenes).mean((1, 2, 3)) >= LIGHT
    found = [scenes.new_zeros(len(scenes), 0)]
    for asked, head in zip((light, ~light), heads, strict=False):
        after = scenes.clone()
        if asked.any():
            after[asked] = head(scenes[asked])
        found.append(response(scenes, after))
    return torch.cat(found, dim=1)


def of_places(places: Tensor, heads: Sequence[Restore], most: Sequence[int]) -> Tensor:
    """Ask heads about the places of N pictures, N x P x 3 x H x W: N x P x heads * `COUNT`.

    ``most`` limits the number of places that each head sees, those with the most texture. The
    others get the mean of its numbers.
    """
    order = _texture(places).argsort(dim=1, descending=True)
    found = [places.new_zeros(*places.shape[:2], 0)]
    for head, count in zip(heads, most, strict=True):
        asked = order[:, :count]
        seen = places[torch.arange(len(places))[:, None], asked].flatten(0, 1)
        told = response(seen, head(seen)).unflatten(0, asked.shape)
        every = told.mean(1, keepdim=True).repeat(1, places.shape[1], 1)
        found.append(every.scatter(1, asked[..., None].expand_as(told), told))
    return torch.cat(found, dim=-1)


def _texture(places: Tensor) -> Tensor:
    """Mean step from pixel to pixel, N x P."""
    return places.diff(dim=-1).abs().mean((2, 3, 4)) + places.diff(dim=-2).abs().mean((2, 3, 4))


def _rms(x: Tensor) -> Tensor:
    return x.square().mean((1, 2, 3)).sqrt()


def _luma(x: Tensor) -> Tensor:
    return (x * x.new_tensor(LUMA)[:, None, None]).sum(1, keepdim=True)


def _detail(x: Tensor) -> Tensor:
    """Logarithm of the energy of steps from pixel to pixel."""
    steps = [(255 * x).diff(dim=axis).square().mean((1, 2, 3)) for axis in (2, 3)]
    return (steps[0] + steps[1] + _FLOOR).log()


def _tone(x: Tensor) -> Tensor:
    return (x.mean((1, 2, 3)).clamp(min=0) + _DARKEST).log()


def _dark(x: Tensor) -> Tensor:
    """Logarithm of the mean of the darkest channel (He et al., CVPR 2009)."""
    return (x.amin(1).mean((1, 2)).clamp(min=0) + _DARKEST).log()


def _spread(x: Tensor) -> Tensor:
    """Mean distance between the channels, 0 to 255."""
    return 255 * (x.amax(1) - x.amin(1)).mean((1, 2))


COUNT = response(torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 32, 32)).shape[1]
"""Numbers of a response."""
