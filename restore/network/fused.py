"""Convolutions that apply what follows them before their result leaves the processor's cache, and
matrix products that use all of the processor.

On a CPU, oneDNN does the first for activations, and in bfloat16 for sums, which saves a pass over
memory each; and its matrix product in float32 is 2 to 3 times as fast as the one torch takes, on
processors of AMD.
torch reaches both through operators of its compiler. Where they are missing, or gradients,
autocasting or tracing need the plain operators, those are used: the results agree to rounding.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Activation:
    """As oneDNN's operator names it; ``slope`` is that of the leaky ReLU."""

    name: str
    slope: float | None = None

    def __call__(self, x: Tensor) -> Tensor:
        if self.name == "gelu":
            return F.gelu(x, approximate="tanh")
        assert self.slope is not None
        return F.leaky_relu(x, self.slope)


Arrange = Callable[[Tensor], Tensor]
"""A view of a map with its pixels in another order; the last dimension stays."""

GELU = Activation("gelu")
"""The tanh form, which Flax uses by default."""


def convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: int,
    padding: int,
    activation: Activation | None = None,
    plus: Tensor | None = None,
) -> Tensor:
    """``activation(conv2d(x))``, or ``conv2d(x) + plus``; N x C x H x W, channels last in memory.

    One of ``activation`` and ``plus`` at most.
    """
    fuse = activation is not None or plus is not None
    if not fuse or plain_operators(x, weight):
        return _plain(x, weight, bias, stride, padding, activation, plus)
    if plus is not None and (x.dtype == torch.float32 or not _is_channels_last(plus)):
        # In float32 a fused sum takes longer than a pass over memory.
        return F.conv2d(x, weight, bias, stride, padding).add_(plus)
    return _fused(x, weight, bias, stride, padding, activation, plus)


def matrix_product(a: Tensor, b: Tensor, bias: Tensor | None) -> Tensor:
    """``a @ b`` of matrices, plus ``bias`` along the rows."""
    # In bfloat16 torch takes oneDNN's product itself.
    if a.dtype == torch.bfloat16 or plain_operators(a, b):
        return a @ b if bias is None else torch.addmm(bias[:, None], a, b)
    product = _product(a, b)
    return product if bias is None else product.add_(bias[:, None])


def _plain(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: int,
    padding: int,
    activation: Activation | None,
    plus: Tensor | None,
) -> Tensor:
    return followed(F.conv2d(x, weight, bias, stride, padding), activation, plus)


def followed(y: Tensor, activation: Activation | None, plus: Tensor | None) -> Tensor:
    """``activation(y)``, ``y + plus``, or ``y``."""
    if activation is not None:
        return activation(y)
    return y if plus is None else y + plus


def _fused(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: int,
    padding: int,
    activation: Activation | None,
    plus: Tensor | None,
) -> Tensor:
    around = ([padding] * 2, [stride] * 2, [1, 1], 1)
    run = torch.ops.mkldnn._convolution_pointwise
    if activation is None:
        return run.binary(x, plus, weight, bias, *around, "add", None, None, [], None)
    scalars = [] if activation.slope is None else [activation.slope]
    return run(x, weight, bias, *around, activation.name, scalars, _form(activation, x.dtype))


def _form(activation: Activation, dtype: torch.dtype) -> str | None:
    if activation.name != "gelu":
        return None
    # The exact form is within 5e-4 of the tanh form, which is less than bfloat16 can tell apart at
    # most values, and takes half the time.
    return "tanh" if dtype == torch.float32 else "none"


def normalised(x: Tensor, eps: float, arranged: Arrange | None = None) -> Tensor:
    """Over the last dimension: mean 0 and variance 1. For tensors that need no gradient.

    The result is contiguous in the order that ``arranged`` gives. torch's kernel takes twice as
    long for rows as short as ours.
    """
    channels = x.shape[-1]
    if x.dtype == torch.bfloat16:  # whose sums torch converts, where a product need not
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


def window_means(x: Tensor, down: int, across: int) -> Tensor:
    """N x H x W x C, cut into ``down`` x ``across`` windows, to the mean of each: N x down x across
    x C."""
    n, height, width, channels = x.shape
    if plain_operators(x):
        return x.view(n, down, -1, across, width // across, channels).mean(dim=(2, 4))
    # By rows first: both dimensions at once take 4 times as long. In bfloat16 torch's sums take
    # 30 times as long as a product with ones; the second are few, and in float32.
    rows = x.view(n * height * across, width // across, channels)
    sums = x.new_ones(1, width // across) @ rows if x.dtype == torch.bfloat16 else rows.sum(dim=1)
    sums = sums.view(n, down, height // down, across, channels).sum(dim=2, dtype=torch.float32)
    return sums.div_(height // down * (width // across)).to(x.dtype)


def is_normalised_fast(x: Tensor) -> bool:
    """Whether `normalised` is faster than torch's kernel."""
    return x.dtype == torch.float32 or x.shape[-1] % 32 == 0


def _product(a: Tensor, b: Tensor) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(a, b.t(), None, "none", [], "")


def plain_operators(x: Tensor, weight: Tensor | None = None) -> bool:
    """Whether something needs the plain operators, which do not write over their inputs."""
    if torch.is_grad_enabled() or torch.compiler.is_compiling():
        return True
    return (
        x.device.type != "cpu"
        or (weight is not None and x.dtype != weight.dtype)
        or x.dtype not in (torch.float32, torch.bfloat16)
        or torch.is_autocast_enabled("cpu")
        or not _available(x.dtype)
    )


def _is_channels_last(x: Tensor) -> bool:
    return x.is_contiguous(memory_format=torch.channels_last)


@functools.cache
def _available(dtype: torch.dtype) -> bool:
    """Whether this build of torch has the operators, and they do what the plain ones do."""
    generator = torch.Generator().manual_seed(0)
    x, plus = (torch.randn(1, 8, 4, 4, generator=generator).to(dtype) for _ in range(2))
    x, plus = (t.contiguous(memory_format=torch.channels_last) for t in (x, plus))
    weight = torch.randn(8, 8, 1, 1, generator=generator).to(dtype) / 4
    bias = torch.randn(8, generator=generator).to(dtype)
    a, b = weight[:, :, 0, 0], x[0].flatten(1)
    cases = [
        (x, weight, bias, 1, 0, activation, added)
        for activation, added in ((GELU, None), (Activation("leaky_relu", 0.2), None), (None, plus))
    ]
    near = 1e-5 if dtype == torch.float32 else 2e-2
    try:
        with torch.inference_mode():
            pairs = [(_fused(*case), _plain(*case)) for case in cases] + [(_product(a, b), a @ b)]
            return all(torch.allclose(*pair, rtol=near, atol=near) for pair in pairs)
    except (AttributeError, NotImplementedError, RuntimeError, TypeError):
        return False
