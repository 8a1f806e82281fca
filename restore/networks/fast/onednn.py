"""oneDNN's operators: layers that apply what follows them while the result is still cached.

On a CPU, oneDNN applies activations, and in bfloat16 sums, within a convolution or dense layer,
which saves one pass over memory each. Its kernels for dense layers are 2 to 3.5 times as fast as
the matrix product behind ``F.linear`` at these widths; for float32 matrix products on AMD
processors they are 2 to 3 times as fast. torch reaches both through operators of its compiler.
`usable` says where they may be used; elsewhere layers use torch's plain operators, which agree to
rounding.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from restore.networks import work


@dataclass(frozen=True)
class Activation:
    """An activation, as oneDNN's operators name it; ``slope`` belongs to the leaky ReLU."""

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
) -> Tensor:
    """Compute ``activation(conv2d(x))``; N x C x H x W, channels last in memory. ``weight`` may be
    packed."""
    around = ([padding] * 2, [stride] * 2, [1, 1], 1)
    run = torch.ops.mkldnn._convolution_pointwise
    y = run(x, weight, bias, *around, *_attributes(activation, x.dtype))
    work.done(y, math.prod(weight.shape[1:]))
    return y


def dense(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    activation: Activation | None = None,
    plus: Tensor | None = None,
) -> Tensor:
    """Compute ``activation(linear(x)) + plus``; ... x C. ``weight`` may be packed."""
    run = torch.ops.mkldnn._linear_pointwise
    adds = plus is not None and activation is None and plus.is_contiguous()
    if adds and x.dtype == torch.bfloat16:
        y = run.binary(x, plus, weight, bias, "add")
        work.done(y, x.shape[-1])
        return y
    y = run(x, weight, bias, *_attributes(activation, x.dtype))
    work.done(y, x.shape[-1])
    # In float32 a fused sum takes longer than a pass over memory.
    return y if plus is None else y.add_(plus)


def packed(weight: Tensor) -> Tensor:
    """Reorder a matrix for `dense`, out x in, as oneDNN reads it."""
    return torch.ops.mkldnn._reorder_linear_weight(weight)


def packed_kernel(weight: Tensor, stride: int, padding: int) -> Tensor:
    """Reorder a kernel for `convolution` with this stride and padding."""
    around = ([padding] * 2, [stride] * 2, [1, 1], 1)
    return torch.ops.mkldnn._reorder_convolution_weight(weight, *around)


def matrix_product(a: Tensor, b: Tensor, bias: Tensor | None) -> Tensor:
    """Compute ``a @ b`` of matrices, plus ``bias`` along the rows."""
    # In bfloat16 torch uses oneDNN's product itself.
    if a.dtype == torch.bfloat16 or not usable(a, b):
        product = a @ b if bias is None else torch.addmm(bias[:, None], a, b)
        work.done(product, a.shape[1])
        return product
    product = dense(a, b.t(), None)
    return product if bias is None else product.add_(bias[:, None])


def centred(x: Tensor) -> Tensor:
    """Subtract the mean over the last dimension of ... x C, in bfloat16, by a product.

    The matrix is exact where C is a power of two up to 256, so the result is rounded only once.
    """
    with work.counted_as(0):  # it is part of a norm, not one of the network's products
        return dense(x, _centring(x.shape[-1]), None)


@functools.cache
def _centring(channels: int) -> Tensor:
    return packed((torch.eye(channels, device="cpu") - 1 / channels).bfloat16())


def followed(y: Tensor, activation: Activation | None, plus: Tensor | None = None) -> Tensor:
    """Compute ``activation(y) + plus``, where given."""
    y = y if activation is None else activation(y)
    return y if plus is None else y + plus


def _attributes(
    activation: Activation | None, dtype: torch.dtype
) -> tuple[str, list[float], str | None]:
    """The arguments that tell oneDNN's operators which activation follows."""
    if activation is None:
        return "none", [], None
    scalars = [] if activation.slope is None else [activation.slope]
    return activation.name, scalars, _form(activation, dtype)


def _form(activation: Activation, dtype: torch.dtype) -> str | None:
    if activation.name != "gelu":
        return None
    # The exact form is within 5e-4 of the tanh form, which is below the rounding of bfloat16 at
    # most values, and runs in half the time.
    return "tanh" if dtype == torch.float32 else "none"


def window_means(x: Tensor, down: int, across: int) -> Tensor:
    """Return the means of ``down`` x ``across`` windows of N x H x W x C: N x down x across x C."""
    n, height, width, channels = x.shape
    if not usable(x):
        return x.view(n, down, -1, across, width // across, channels).mean(dim=(2, 4))
    # By rows first: both dimensions at once are 4 times slower. In bfloat16 torch's sums are 30
    # times slower than a product with ones; the second sums are few, and in float32.
    rows = x.view(n * height * across, width // across, channels)
    sums = x.new_ones(1, width // across) @ rows if x.dtype == torch.bfloat16 else rows.sum(dim=1)
    sums = sums.view(n, down, height // down, across, channels).sum(dim=2, dtype=torch.float32)
    return sums.div_(height // down * (width // across)).to(x.dtype)


def usable(x: Tensor, weight: Tensor | None = None) -> bool:
    """Whether oneDNN's operators, and writing over maps, are allowed for ``x``.

    They are not with gradients, autocasting, tracing, other devices, other or mixed number formats,
    or a build of torch that lacks them.
    """
    if torch.is_grad_enabled() or torch.compiler.is_compiling():
        return False
    return (
        x.device.type == "cpu"
        and (weight is None or x.dtype == weight.dtype)
        and x.dtype in (torch.float32, torch.bfloat16)
        and not torch.is_autocast_enabled("cpu")
        and _available(x.dtype)
    )


def cpu_features() -> Mapping[str, Any]:
    """What the CPU is capable of, by its names in torch; empty where torch is too old to tell."""
    return torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}


@functools.cache
def multiplies_tiles() -> bool:
    """Whether the CPU multiplies tiles of bfloat16 (AMX), which costs less than passes do."""
    return bool(cpu_features().get("amx_bf16"))


@functools.cache
def _available(dtype: torch.dtype) -> bool:
    """Whether this build of torch has the operators, and they agree with the plain ones."""
    generator = torch.Generator().manual_seed(0)
    x, plus = (torch.randn(1, 4, 4, 8, generator=generator).to(dtype) for _ in range(2))
    weight = torch.randn(8, 8, generator=generator).to(dtype) / 4
    bias = torch.randn(8, generator=generator).to(dtype)
    pixels, kernel = x.permute(0, 3, 1, 2), weight[:, :, None, None]
    near = 1e-5 if dtype == torch.float32 else 2e-2
    try:
        with torch.inference_mode():
            plain, convolved = F.linear(x, weight, bias), F.conv2d(pixels, kernel, bias)
            pairs = [
                (dense(x, packed(weight), bias, plus=plus), plain + plus),
                (dense(x[..., :4], packed(weight[:, 4:]), None), x[..., :4] @ weight[:, 4:].t()),
                (dense(weight, x.view(8, -1).t(), None), weight @ x.view(8, -1)),
            ]
            for activation in (None, GELU, Activation("leaky_relu", 0.2)):
                expected, wanted = (followed(y, activation) for y in (plain, convolved))
                pairs += [
                    (dense(x, weight, bias, activation), expected),
                    (dense(x, packed(weight), bias, activation), expected),
                    (convolution(pixels, kernel, bias, 1, 0, activation), wanted),
                    (
                        convolution(pixels, packed_kernel(kernel, 1, 0), bias, 1, 0, activation),
                        wanted,
                    ),
                ]
            return all(torch.allclose(*pair, rtol=near, atol=near) for pair in pairs)
    except (AttributeError, NotImplementedError, RuntimeError, TypeError):
        return False
