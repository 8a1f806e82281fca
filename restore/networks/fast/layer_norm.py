"""Layer norm on the same parameters, by sums that are fast for rows as short as MAXIM's.

On CUDA GPUs the Triton kernels of the axis gMLP contain it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restore.networks.fast.onednn import Arrange, centred, multiplies_tiles, usable
from restore.networks.maxim.layers import LayerNorm


class FastLayerNorm(nn.Module):
    """`LayerNorm`, in any order of pixels."""

    def __init__(self, plain: LayerNorm):
        super().__init__()
        self.weight, self.bias, self.eps = plain.weight, plain.bias, plain.eps

    def forward(self, x: Tensor, arranged: Arrange | None = None) -> Tensor:
        """Return the result contiguous in the order that ``arranged`` gives."""
        if not usable(x, self.weight) or not is_normalised_fast(x):
            x = x if arranged is None else arranged(x).contiguous()
            return F.layer_norm(x, (x.shape[-1],), self.weight, self.bias, self.eps)
        y = normalised(x, self.eps, arranged)
        return torch.addcmul(self.bias, y, self.weight, out=y)


def normalised(x: Tensor, eps: float, arranged: Arrange | None = None) -> Tensor:
    """Normalise over the last dimension to mean 0 and variance 1, without gradients.

    The result is contiguous in the order that ``arranged`` gives. torch's kernel is half as fast
    for rows as short as ours.
    """
    channels = x.shape[-1]
    if is_centred_by_product(x):
        x = centred(x)
    elif x.dtype == torch.bfloat16:  # torch converts the terms of a sum, not those of a product
        mean = x.reshape(-1, channels) @ x.new_full((channels,), 1 / channels)
        x = x - mean.view(*x.shape[:-1], 1)
    else:
        x = torch.sub(x, x.sum(dim=-1, keepdim=True), alpha=1 / channels)
    norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    scale = torch.addcmul(norm.new_full((), eps), norm, norm, value=1 / channels).rsqrt_()
    if arranged is None:
        return x.mul_(scale)
    x = arranged(x)
    return torch.mul(x, arranged(scale), out=x.new_empty(x.shape))


def is_centred_by_product(x: Tensor) -> bool:
    """Whether `centred` is exact, and faster than computing and subtracting means."""
    return x.dtype == torch.bfloat16 and x.shape[-1] in (32, 64, 128) and multiplies_tiles()


def is_normalised_fast(x: Tensor) -> bool:
    """Whether `normalised` is faster than torch's kernel."""
    return x.dtype == torch.float32 or x.shape[-1] % 32 == 0
