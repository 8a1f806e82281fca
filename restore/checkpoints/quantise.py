"""Store weights at 8 bits: one signed integer per value, and one float16 scale per output channel.

Tensors of fewer than two dimensions (offsets, norms) are stored as float16. Weights are expanded to
floats when a model is loaded.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from restore.checkpoints.weight_arrays import SCALE

LEVELS = 127
_RATIOS = torch.linspace(1.0, 0.7, 13)
"""Candidates for the largest magnitude that is represented, as fractions of the largest there is:
cutting off one outlier leaves finer steps for all other values of a channel."""


def quantise(network: nn.Module) -> dict[str, Tensor]:
    """Convert a network's tensors to int8 tensors with their scales, and float16 tensors.

    A value is its integer times the scale, which broadcasts to it. Scales minimise the squared
    error of each output channel.
    """
    second = {
        f"{path}.weight".lstrip(".")
        for path, module in network.named_modules()
        if isinstance(module, nn.ConvTranspose2d)  # whose output channels come second
    }
    stored: dict[str, Tensor] = {}
    for name, tensor in network.state_dict().items():
        values = tensor.detach().to("cpu", torch.float32)
        if values.ndim < 2:
            stored[name] = values.to(torch.float16)
        else:
            stored[name], stored[name + SCALE] = _by_channel(values, int(name in second))
    return stored


def expand(integers: Tensor, scale: Tensor) -> Tensor:
    """Return the float32 tensor that `quantise` has stored."""
    return integers.to(torch.float32) * scale.to(torch.float32)


def _by_channel(values: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    others = [dim for dim in range(values.ndim) if dim != axis]
    largest = values.abs().amax(dim=others, keepdim=True)
    best_error = torch.full_like(largest, torch.inf)
    best = torch.ones_like(largest)
    for ratio in _RATIOS:
        # As stored, and above zero: an empty channel, or one below float16, is divided by it.
        scale = (largest * ratio / LEVELS).to(torch.float16).float().clamp(min=2**-24)
        error = (_rounded(values, scale) * scale - values).square().sum(dim=others, keepdim=True)
        best = torch.where(error < best_error, scale, best)
        best_error = torch.minimum(error, best_error)
    return _rounded(values, best).to(torch.int8).contiguous(), best.to(torch.float16)


def _rounded(values: Tensor, scale: Tensor) -> Tensor:
    return (values / scale).round().clamp(-LEVELS, LEVELS)
