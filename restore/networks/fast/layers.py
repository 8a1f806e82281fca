"""The layers of MAXIM on the same parameters, in oneDNN's operators where these are usable.

Elsewhere (GPUs, other number formats, gradients) each layer uses the plain arithmetic. Where they
are usable, maps may be written over: no layer here is for training.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restore.networks.fast.layer_norm import FastLayerNorm, is_normalised_fast, normalised
from restore.networks.fast.onednn import (
    Activation,
    convolution,
    dense,
    followed,
    packed,
    packed_kernel,
    usable,
)
from restore.networks.maxim import layers as plain_layers
from restore.networks.maxim.layers import (
    ChannelAttention,
    Conv,
    Dense,
    Grow,
    Resample,
    growth_matrix,
    resize_features,
    spread,
    to_channels_first,
    to_channels_last,
)

ALL = slice(None)


class WeightKeeper(nn.Module):
    """A layer that derives tensors from its weights, and may keep them."""

    kept: dict[Hashable, Any] | None = None
    """Derived tensors, where the weights do not change; see `keep_weights`."""

    def __getstate__(self) -> dict[str, Any]:
        # Copies derive their tensors again: packed weights cannot be copied.
        return self.__dict__ | ({} if self.kept is None else {"kept": {}})

    def _once(
        self,
        key: Hashable,
        make: Callable[[], Any],
        lay_out: Callable[[Any], Any] = lambda made: made,
    ) -> Any:
        """Return ``make()``; where it is kept, as ``lay_out`` returns it, which pays only once."""
        if self.kept is None:
            return make()
        if key not in self.kept:
            self.kept[key] = lay_out(make())
        return self.kept[key]


def keep_weights(network: nn.Module) -> None:
    """Have layers keep the tensors they derive from their weights, which must not change any more.

    Each is derived at its first use. All of them together need as much memory as the weights.
    """
    for module in network.modules():
        if isinstance(module, WeightKeeper):
            module.kept = {}


class FastDense(WeightKeeper):
    """`Dense` with the layer norm before it and what follows it, for parts of its channels."""

    def __init__(self, plain: Dense):
        super().__init__()
        self.weight, self.bias = plain.weight, plain.bias

    def forward(
        self,
        x: Tensor,
        activation: Activation | None = None,
        plus: Tensor | None = None,
        inputs: slice = ALL,
        outputs: slice = ALL,
        norm: FastLayerNorm | None = None,
    ) -> Tensor:
        """Return ``activation(dense(norm(x))) + plus``.

        ``inputs`` are the channels that ``x`` holds, where it holds only some: the results of all
        parts add up to that of the whole. ``outputs`` are the channels that are returned.
        """
        if not usable(x, self.weight):
            x = x if norm is None else norm(x)
            y = plain_layers.dense(x, *self._part(inputs, outputs))
            return followed(y, activation, plus)
        x, folded = _normed(x, norm)
        return self._fused(x, folded, activation, plus, inputs, outputs)

    def halves(
        self, x: Tensor, activation: Activation, norm: FastLayerNorm
    ) -> tuple[Tensor, Tensor]:
        """Return the first and the second half of the channels of ``activation(dense(norm(x)))``"""
        if not usable(x, self.weight):
            first, second = self(x, activation, norm=norm).chunk(2, dim=-1)
            return first, second
        # Later layers read a map of its own faster than every other half of a larger one.
        x, folded = _normed(x, norm)
        middle = self.weight.shape[0] // 2
        first, second = (
            self._fused(x, folded, activation, outputs=half)
            for half in (slice(0, middle), slice(middle, 2 * middle))
        )
        return first, second

    def together(self, parts: Sequence[Tensor], plus: Tensor | None = None) -> Tensor:
        """Return ``dense(cat(parts)) + plus``, without a concatenation where that is possible."""
        if not usable(parts[0]):
            return self(torch.cat(tuple(parts), dim=-1), plus=plus)
        start = 0
        for part in parts:
            stop = start + part.shape[-1]
            plus = self(part, plus=plus, inputs=slice(start, stop))
            start = stop
        assert plus is not None
        return plus

    def _fused(
        self,
        x: Tensor,
        folded: FastLayerNorm | None,
        activation: Activation | None,
        plus: Tensor | None = None,
        inputs: slice = ALL,
        outputs: slice = ALL,
    ) -> Tensor:
        def make() -> tuple[Tensor, Tensor | None]:
            weight, bias = self._part(inputs, outputs)
            if folded is not None:
                # The scale and offset of the norm become part of the matrix.
                offset = weight @ folded.bias
                bias = offset if bias is None else bias + offset
                weight = weight * folded.weight
            # oneDNN has only a slow kernel for part of a matrix that is not contiguous.
            return weight.contiguous(), bias

        key = folded, inputs.start, inputs.stop, outputs.start, outputs.stop
        weight, bias = self._once(key, make, lambda made: (packed(made[0]), made[1]))
        return dense(x, weight, bias, activation, plus)

    def _part(self, inputs: slice, outputs: slice) -> tuple[Tensor, Tensor | None]:
        weight, bias = self.weight[outputs, inputs], None
        if self.bias is not None and not inputs.start:  # added once: with the first input
            bias = self.bias[outputs]
        return weight, bias


def _normed(x: Tensor, norm: FastLayerNorm | None) -> tuple[Tensor, FastLayerNorm | None]:
    """Apply a norm before a dense layer: all of it, or all but its scale and offset, in which case
    the norm is returned too."""
    if norm is None:
        return x, None
    if not is_normalised_fast(x):
        return norm(x), None
    return normalised(x, norm.eps), norm


class FastConv(WeightKeeper):
    """`Conv` with the activation that follows it."""

    def __init__(self, plain: Conv):
        super().__init__()
        self.weight, self.bias, self.stride = plain.weight, plain.bias, plain.stride[0]

    def forward(self, x: Tensor, activation: Activation | None = None) -> Tensor:
        x = to_channels_first(x)
        if not usable(x, self.weight):
            y = F.conv2d(x, self.weight, self.bias, self.stride, padding=1)
            return to_channels_last(followed(y, activation))
        kernel = self._once(
            "kernel", lambda: self.weight, lambda weight: packed_kernel(weight, self.stride, 1)
        )
        return to_channels_last(convolution(x, kernel, self.bias, self.stride, 1, activation))


class FastGrow(WeightKeeper):
    """`Grow`, which is a dense layer."""

    def __init__(self, plain: Grow):
        super().__init__()
        self.weight, self.bias = plain.weight, plain.bias

    def forward(self, x: Tensor) -> Tensor:
        if usable(x, self.weight):
            y = dense(x, self._once("matrix", self._matrix, packed), None)
        else:
            y = plain_layers.dense(x, self._matrix(), None)
        y = spread(y)
        return y if self.bias is None else y + self.bias

    def _matrix(self) -> Tensor:
        return growth_matrix(self.weight)


class FastResample(nn.Module):
    """`Resample` with a fast convolution."""

    def __init__(self, plain: Resample):
        super().__init__()
        self.log2_ratio = plain.log2_ratio
        self.conv = FastDense(plain.conv)

    def forward(self, x: Tensor) -> Tensor:
        if self.log2_ratio > 0:
            return resize_features(self.conv(x), self.log2_ratio)
        return self.conv(resize_features(x, self.log2_ratio))


class FastChannelAttention(nn.Module):
    """`ChannelAttention` of means that are known already."""

    def __init__(self, plain: ChannelAttention):
        super().__init__()
        self.squeeze, self.excite = FastDense(plain.squeeze), FastDense(plain.excite)

    def forward(self, mean: Tensor) -> Tensor:
        """Return the gates, in [0, 1], for the means of a map, N x H x W x C."""
        return torch.sigmoid(self.excite(F.relu(self.squeeze(mean))))
