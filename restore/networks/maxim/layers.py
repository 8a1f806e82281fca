"""The layers of MAXIM: each numeric rule in one place.

Feature maps are N x H x W x C, in memory and by name, so that layer norms, dense layers, channel
splits and token views need no transposition. Convolutions see the same memory as channels-last
N x C x H x W.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LAYER_NORM_EPS = 1e-6


def to_channels_first(x: Tensor) -> Tensor:
    """View N x H x W x C memory as a channels-last N x C x H x W tensor."""
    return x.permute(0, 3, 1, 2)


def to_channels_last(x: Tensor) -> Tensor:
    """View a channels-last N x C x H x W tensor as N x H x W x C."""
    return x.permute(0, 2, 3, 1)


def gelu(x: Tensor) -> Tensor:
    """Apply GELU in its tanh form, which Flax uses by default."""
    return F.gelu(x, approximate="tanh")


def dense(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Multiply the channels of every pixel by a matrix (out x in) and add ``bias``."""
    if x.is_cuda:
        return F.linear(x, weight, bias)
    # On CPUs, convolution kernels are faster than the matrix product, forwards and backwards.
    return to_channels_last(F.conv2d(to_channels_first(x), weight[:, :, None, None], bias))


class LayerNorm(nn.LayerNorm):
    """Layer normalisation over channels, eps 1e-6."""

    def __init__(self, channels: int):
        super().__init__(channels, eps=LAYER_NORM_EPS)


class Dense(nn.Module):
    """One matrix over the channels of every pixel: a Flax Dense or a 1x1 convolution."""

    def __init__(self, in_channels: int, out_channels: int, bias: bool = True):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return dense(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        out_channels, in_channels = self.weight.shape
        return f"{in_channels}, {out_channels}, bias={self.bias is not None}"


class Conv(nn.Conv2d):
    """A 3x3 convolution, or the 4x4 stride-2 one that shrinks; both have padding 1."""

    def __init__(
        self, in_channels: int, out_channels: int, bias: bool = True, shrink: bool = False
    ):
        size, stride = (4, 2) if shrink else (3, 1)
        super().__init__(in_channels, out_channels, size, stride, padding=1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return to_channels_last(super().forward(to_channels_first(x)))


class Grow(nn.ConvTranspose2d):
    """The 2x2 stride-2 transposed convolution that doubles height and width."""

    def __init__(self, in_channels: int, out_channels: int, bias: bool = True):
        super().__init__(in_channels, out_channels, kernel_size=2, stride=2, bias=bias)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        # Output pixels do not overlap: this is a dense layer, which is the faster form.
        y = spread(dense(x, growth_matrix(self.weight), None))
        return y if self.bias is None else y + self.bias


def growth_matrix(weight: Tensor) -> Tensor:
    """Turn a kernel of `Grow`, in x out x 2 x 2, into the matrix (2 * 2 * out) x in."""
    return weight.permute(2, 3, 1, 0).flatten(0, 2)


def spread(x: Tensor) -> Tensor:
    """Turn the 2 * 2 * C channels of every pixel into 2 x 2 pixels of C channels."""
    n, h, w, channels = x.shape
    c = channels // 4
    return x.reshape(n, h, w, 2, 2, c).transpose(2, 3).reshape(n, 2 * h, 2 * w, c)


def resize_features(x: Tensor, log2_ratio: int) -> Tensor:
    """Resize by ``2**log2_ratio``: bilinear, half-pixel centres, antialiased when it shrinks."""
    if log2_ratio == 0:
        return x
    y = to_channels_first(x)
    if log2_ratio > 0:
        y = F.interpolate(y, scale_factor=float(2**log2_ratio), mode="bilinear")
    else:
        y = _shrink_antialiased(y, 2**-log2_ratio)
    return to_channels_last(y)


def _shrink_antialiased(x: Tensor, ratio: int) -> Tensor:
    """Shrink N x C x H x W by a power of two with the triangle filter.

    The filter reaches ``ratio`` pixels to either side of each output's centre. At the border, the
    weights that fall outside are dropped and the others are rescaled to sum to one.
    """
    _, c, h, w = x.shape
    taps = 1 - (torch.arange(2 * ratio, device=x.device) + 0.5 - ratio).abs() / ratio
    taps = taps / taps.sum()
    inside = taps[ratio // 2 :].sum()  # the part of the filter left at the first and last output
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


class Resample(nn.Module):
    """`UpSampleRatio`: resize to another level and set its width with a 1x1 convolution.

    The convolution runs on the side with fewer pixels: it commutes with up-sampling, whose weights
    sum to one.
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
    """Squeeze-and-excitation: gates for the channels of a map, from their global mean."""

    def __init__(self, channels: int, reduction: int, bias: bool):
        super().__init__()
        self.squeeze = Dense(channels, channels // reduction, bias)
        self.excite = Dense(channels // reduction, channels, bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return the gates, N x 1 x 1 x C in [0, 1], of a map N x H x W x C."""
        mean = x.mean(dim=(1, 2), keepdim=True)
        return torch.sigmoid(self.excite(F.relu(self.squeeze(mean))))
