"""The arithmetic MAXIM is made of: one numeric rule, one place.

Feature maps are N x H x W x C (channels last in memory *and* in name), so that layer norms, dense
layers, channel splits and token views need no transposition; convolutions see the same memory as
channels-last N x C x H x W.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restore.network.fused import (
    Activation,
    Arrange,
    convolution,
    followed,
    is_normalised_fast,
    normalised,
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


class Dense(nn.Module):
    """One matrix over the channels of every pixel: a Flax Dense, or a 1x1 convolution.

    On a CPU it runs as a 1x1 convolution: oneDNN's kernel for that is 2 to 3.5 times faster than
    the matrix product behind ``F.linear`` at these widths.
    """

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
        """``activation`` of the result, or the result and ``plus``; not both.

        ``inputs`` are the channels that ``x`` holds, where it holds not all: results of all parts
        add up to that of the whole. ``outputs`` are the channels that are wanted. ``norm`` is
        applied to ``x`` before.
        """
        weight, bias = self.weight[outputs, inputs], None
        if self.bias is not None and not inputs.start:  # added once: with the first input
            bias = self.bias[outputs]
        return _dense(*_behind(norm, x, weight, bias), activation, plus)

    def halves(self, x: Tensor, activation: Activation, norm: LayerNorm) -> tuple[Tensor, Tensor]:
        """``activation`` of the result, of the channels' first and second half."""
        if plain_operators(x, self.weight):
            first, second = self(x, activation, norm=norm).chunk(2, dim=-1)
            return first, second
        # What reads them, reads a map of its own faster than every other half of a larger one.
        x, weight, bias = _behind(norm, x, self.weight, self.bias)
        biases = (None, None) if bias is None else bias.chunk(2)
        first, second = map(_dense, (x, x), weight.chunk(2), biases, [activation] * 2)
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

    def extra_repr(self) -> str:
        out_channels, in_channels = self.weight.shape
        return f"{in_channels}, {out_channels}, bias={self.bias is not None}"


def _behind(
    norm: LayerNorm | None, x: Tensor, weight: Tensor, bias: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """What a dense layer behind ``norm`` takes: pixels, matrix and offset."""
    if norm is None:
        return x, weight, bias
    if plain_operators(x, weight) or not is_normalised_fast(x):
        return norm(x), weight, bias
    # The scale and offset of the norm become part of the matrix.
    offset = weight @ norm.bias
    bias = offset if bias is None else bias + offset
    return normalised(x, norm.eps), weight * norm.weight, bias


def _dense(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    activation: Activation | None = None,
    plus: Tensor | None = None,
) -> Tensor:
    if x.is_cuda:
        return followed(F.linear(x, weight, bias), activation, plus)
    added = None if plus is None else to_channels_first(plus)
    matrix = weight[:, :, None, None]
    return to_channels_last(
        convolution(to_channels_first(x), matrix, bias, 1, 0, activation, added)
    )


class Conv(nn.Conv2d):
    """A 3x3 convolution, or the 4x4 stride-2 one that shrinks; padding is 1 in both."""

    def __init__(
        self, in_channels: int, out_channels: int, bias: bool = True, shrink: bool = False
    ):
        size, stride = (4, 2) if shrink else (3, 1)
        super().__init__(in_channels, out_channels, size, stride, padding=1, bias=bias)

    def forward(self, x: Tensor, activation: Activation | None = None) -> Tensor:
        x, stride = to_channels_first(x), self.stride[0]
        return to_channels_last(convolution(x, self.weight, self.bias, stride, 1, activation))


class Grow(nn.ConvTranspose2d):
    """The 2x2 stride-2 transposed convolution that doubles height and width."""

    def __init__(self, in_channels: int, out_channels: int, bias: bool = True):
        super().__init__(in_channels, out_channels, kernel_size=2, stride=2, bias=bias)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        # Without overlap this is one dense layer whose C x 2 x 2 outputs become 2 x 2 pixels.
        n, h, w, _ = x.shape
        c = self.out_channels
        weight = self.weight.permute(2, 3, 1, 0).reshape(4 * c, -1, 1, 1)
        y = to_channels_last(F.conv2d(to_channels_first(x), weight))
        y = y.reshape(n, h, w, 2, 2, c).transpose(2, 3).reshape(n, 2 * h, 2 * w, c)
        return y if self.bias is None else y + self.bias


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
