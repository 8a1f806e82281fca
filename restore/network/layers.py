"""The arithmetic MAXIM is made of: one numeric rule, one place.

Feature maps are N x H x W x C (channels last in memory *and* in name), so that layer norms, dense
layers, channel splits and token views need no transposition; convolutions see the same memory as
channels-last N x C x H x W.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restore.network.fused import (
    Activation,
    Arrange,
    convolution,
    dense,
    followed,
    is_normalised_fast,
    normalised,
    packed,
    packed_kernel,
    plain_operators,
)

LAYER_NORM_EPS = 1e-6
ALL = slice(None)


def to_channels_first(x: Tensor) -> Tensor:
    """View N x H x W x C memory as a channels-last N x C x H x W tensor."""
    return x.permute(0, 3, 1, 2)


def to_channels_last(x: Tensor) -> Tensor:
    """View a channels-last N x C x H x W tensor as N x H x W x C."""
    return x.permute(0, 2, 3, 1)


class LayerNorm(nn.LayerNorm):
    """Layer normalisation over channels, eps 1e-6."""

    def __init__(self, channels: int):
        super().__init__(channels, eps=LAYER_NORM_EPS)

    def forward(self, x: Tensor, arranged: Arrange | None = None) -> Tensor:
        """Contiguous in the order that ``arranged`` gives."""
        if plain_operators(x, self.weight) or not is_normalised_fast(x):
            return super().forward(x if arranged is None else arranged(x).contiguous())
        y = normalised(x, self.eps, arranged)
        return torch.addcmul(self.bias, y, self.weight, out=y)


class Keeping(nn.Module):
    """A layer that makes something of its weights before it uses them."""

    kept: dict[Hashable, Any] | None = None
    """What it has made, where its weights stay as they are."""

    def __getstate__(self) -> dict[str, Any]:
        # For copies, which make it anew: what is packed cannot be copied.
        return self.__dict__ | ({} if self.kept is None else {"kept": {}})

    def _once(
        self,
        key: Hashable,
        make: Callable[[], Any],
        lay_out: Callable[[Any], Any] = lambda made: made,
    ) -> Any:
        """What ``make`` returns; where it is kept, as ``lay_out`` has it, which pays only once."""
        if self.kept is None:
            return make()
        if key not in self.kept:
            self.kept[key] = lay_out(make())
        return self.kept[key]


def keep_weights(network: nn.Module) -> None:
    """For inference with weights that stay as they are from now on: what layers make of them is
    made once, at the first use, and kept beside them, which takes as much memory again."""
    for module in network.modules():
        if isinstance(module, Keeping):
            module.kept = {}


class Dense(Keeping):
    """One matrix over the channels of every pixel: a Flax Dense, or a 1x1 convolution."""

    def __init__(self, in_channels: int, out_channels: int, bias: bool = True):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None

    def forward(
        self,
        x: Tensor,
        activation: Activation | None = None,
        plus: Tensor | None = None,
        inputs: slice = ALL,
        outputs: slice = ALL,
        norm: LayerNorm | None = None,
    ) -> Tensor:
        """``activation`` of the result, plus ``plus``.

        ``inputs`` are the channels that ``x`` holds, where it holds not all: results of all parts
        add up to that of the whole. ``outputs`` are the channels that are wanted. ``norm`` is
        applied to ``x`` before.
        """
        if plain_operators(x, self.weight):
            x = x if norm is None else norm(x)
            return _plain_dense(x, *self._part(inputs, outputs), activation, plus)
        x, folded = _normed(x, norm)
        return self._fused(x, folded, activation, plus, inputs, outputs)

    def halves(self, x: Tensor, activation: Activation, norm: LayerNorm) -> tuple[Tensor, Tensor]:
        """``activation`` of the result, of the channels' first and second half."""
        if plain_operators(x, self.weight):
            first, second = self(x, activation, norm=norm).chunk(2, dim=-1)
            return first, second
        # What reads them, reads a map of its own faster than every other half of a larger one.
        x, folded = _normed(x, norm)
        middle = self.weight.shape[0] // 2
        first, second = (
            self._fused(x, folded, activation, outputs=half)
            for half in (slice(0, middle), slice(middle, 2 * middle))
        )
        return first, second

    def together(self, parts: Sequence[Tensor], plus: Tensor | None = None) -> Tensor:
        """Of maps that hold the input channels one after the other."""
        if plain_operators(parts[0]):
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
        folded: LayerNorm | None,
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
            # oneDNN has only a slow kernel for a part of a matrix that is not laid out anew.
            return weight.contiguous(), bias

        key = folded, inputs.start, inputs.stop, outputs.start, outputs.stop
        weight, bias = self._once(key, make, lambda made: (packed(made[0]), made[1]))
        return dense(x, weight, bias, activation, plus)

    def _part(self, inputs: slice, outputs: slice) -> tuple[Tensor, Tensor | None]:
        weight, bias = self.weight[outputs, inputs], None
        if self.bias is not None and not inputs.start:  # added once: with the first input
            bias = self.bias[outputs]
        return weight, bias

    def extra_repr(self) -> str:
        out_channels, in_channels = self.weight.shape
        return f"{in_channels}, {out_channels}, bias={self.bias is not None}"


def _normed(x: Tensor, norm: LayerNorm | None) -> tuple[Tensor, LayerNorm | None]:
    """What a dense layer behind ``norm`` takes, and the norm, where its scale and offset are still
    to be applied."""
    if norm is None:
        return x, None
    if not is_normalised_fast(x):
        return norm(x), None
    return normalised(x, norm.eps), norm


def _plain_dense(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    activation: Activation | None = None,
    plus: Tensor | None = None,
) -> Tensor:
    if x.is_cuda:
        return followed(F.linear(x, weight, bias), activation, plus)
    # A CPU has faster kernels for this, forwards and backwards.
    y = to_channels_last(F.conv2d(to_channels_first(x), weight[:, :, None, None], bias))
    return followed(y, activation, plus)


class Conv(Keeping, nn.Conv2d):
    """A 3x3 convolution, or the 4x4 stride-2 one that shrinks; padding is 1 in both."""

    def __init__(
        self, in_channels: int, out_channels: int, bias: bool = True, shrink: bool = False
    ):
        size, stride = (4, 2) if shrink else (3, 1)
        super().__init__(in_channels, out_channels, size, stride, padding=1, bias=bias)

    def forward(self, x: Tensor, activation: Activation | None = None) -> Tensor:
        x, stride = to_channels_first(x), self.stride[0]
        if plain_operators(x, self.weight):
            return to_channels_last(followed(super().forward(x), activation))
        kernel = self._once(
            "kernel", lambda: self.weight, lambda weight: packed_kernel(weight, stride, 1)
        )
        return to_channels_last(convolution(x, kernel, self.bias, stride, 1, activation))


class Grow(Keeping, nn.ConvTranspose2d):
    """The 2x2 stride-2 transposed convolution that doubles height and width."""

    def __init__(self, in_channels: int, out_channels: int, bias: bool = True):
        super().__init__(in_channels, out_channels, kernel_size=2, stride=2, bias=bias)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        # Without overlap this is one dense layer whose C x 2 x 2 outputs become 2 x 2 pixels.
        n, h, w, _ = x.shape
        c = self.out_channels
        if plain_operators(x, self.weight):
            y = _plain_dense(x, self._matrix(), None)
        else:
            y = dense(x, self._once("matrix", self._matrix, packed), None)
        y = y.reshape(n, h, w, 2, 2, c).transpose(2, 3).reshape(n, 2 * h, 2 * w, c)
        return y if self.bias is None else y + self.bias

    def _matrix(self) -> Tensor:
        return self.weight.permute(2, 3, 1, 0).reshape(4 * self.out_channels, -1)


def resize_features(x: Tensor, log2_ratio: int) -> Tensor:
    """Bilinear resize by ``2**log2_ratio`` with half-pixel centres, antialiased when it shrinks."""
    if log2_ratio == 0:
        return x
    y = to_channels_first(x)
    if log2_ratio > 0:
        y = F.interpolate(y, scale_factor=float(2**log2_ratio), mode="bilinear")
    else:
        y = _shrink_antialiased(y, 2**-log2_ratio)
    return to_channels_last(y)


def _shrink_antialiased(x: Tensor, ratio: int) -> Tensor:
    """N x C x H x W shrunk by a power of two with the triangle filter.

    The filter reaches ``ratio`` pixels to either side of each output's centre; at the border the
    weights that fall outside are dropped and the others rescaled to sum to one.
    """
    _, c, h, w = x.shape
    taps = 1 - (torch.arange(2 * ratio, device=x.device) + 0.5 - ratio).abs() / ratio
    taps = taps / taps.sum()
    inside = taps[ratio // 2 :].sum()  # what is left of the filter at the first and last output
    kernel = (taps[:, None] * taps[None, :]).to(x.dtype).expand(c, 1, -1, -1)
    if torch.is_grad_enabled() and x.dtype == torch.bfloat16 and not x.is_cuda:
        # oneDNN's bfloat16 gradient of a depthwise convolution is 30 times slower than float32's.
        with torch.autocast("cpu", enabled=False):
            y = F.conv2d(x.float(), kernel.float(), stride=ratio, padding=ratio // 2, groups=c)
            y = y.to(x.dtype)
    else:
        y = F.conv2d(x, kernel, stride=ratio, padding=ratio // 2, groups=c)
    rows = torch.ones(h // ratio, device=x.device)
    columns = torch.ones(w // ratio, device=x.device)
    for side in (rows, columns):
        side[0] = side[0] / inside
        side[-1] = side[-1] / inside
    return y * (rows[:, None] * columns[None, :]).to(x.dtype)


def nearest_shrink(x: Tensor, log2_ratio: int) -> Tensor:
    """N x C x H x W shrunk by ``2**log2_ratio``, taking pixel floor((k + 0.5) * 2**log2_ratio)."""
    if log2_ratio == 0:
        return x
    ratio = 2**log2_ratio
    return x[:, :, ratio // 2 :: ratio, ratio // 2 :: ratio]


class Resample(nn.Module):
    """`UpSampleRatio`: resize to another level and set its width with a 1x1 convolution.

    The convolution runs on the side with fewer pixels: it commutes with an up-sampling, whose
    weights sum to one.
    """

    def __init__(self, in_channels: int, out_channels: int, log2_ratio: int, bias: bool):
        super().__init__()
        self.log2_ratio = log2_ratio
        self.conv = Dense(in_channels, out_channels, bias)

    def forward(self, x: Tensor) -> Tensor:
        if self.log2_ratio > 0:
            return resize_features(self.conv(x), self.log2_ratio)
        return self.conv(resize_features(x, self.log2_ratio))


class ChannelAttention(nn.Module):
    """Squeeze-and-excitation: channels weighted by a gate computed from their global mean."""

    def __init__(self, channels: int, reduction: int, bias: bool):
        super().__init__()
        self.squeeze = Dense(channels, channels // reduction, bias)
        self.excite = Dense(channels // reduction, channels, bias)

    def forward(self, mean: Tensor) -> Tensor:
        """Means of a map, N x H x W x C, to its gates, in [0, 1]."""
        return torch.sigmoid(self.excite(F.relu(self.squeeze(mean))))
