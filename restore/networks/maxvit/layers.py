"""The layers of MaxViT, as its authors' TensorFlow code computes them.

Convolutions see N x C x H x W, attention N x H x W x C.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BATCH_NORM_EPS = 1e-3
LAYER_NORM_EPS = 1e-5


def gelu(x: Tensor) -> Tensor:
    """Apply GELU in its tanh form."""
    return F.gelu(x, approximate="tanh")


class SameConv2d(nn.Conv2d):
    """A convolution padded as TensorFlow pads: to ceil(size / stride), an odd pixel at the end."""

    def forward(self, x: Tensor) -> Tensor:
        padding: list[int] = []
        for axis in (1, 0):
            kernel, stride, size = self.kernel_size[axis], self.stride[axis], x.shape[2 + axis]
            total = max(0, (-(-size // stride) - 1) * stride + kernel - size)
            padding += [total // 2, total - total // 2]
        return super().forward(F.pad(x, padding))


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation with the eps of MaxViT, 1e-3."""

    def __init__(self, channels: int):
        super().__init__(channels, eps=BATCH_NORM_EPS)


class SqueezeExcite(nn.Module):
    """Weights of channels from their means (arXiv 1709.01507)."""

    def __init__(self, channels: int, hidden: int):
        super().__init__()
        self.fc1 = nn.Conv2d(channels, hidden, 1)
        self.fc2 = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        means = x.mean((2, 3), keepdim=True)
        return x * self.fc2(F.silu(self.fc1(means))).sigmoid()


class Shortcut(nn.Module):
    """The residual path of a block that changes the shape: mean of 2 x 2 pixels, then a matrix."""

    def __init__(self, in_channels: int, channels: int, stride: int):
        super().__init__()
        self.pool = nn.AvgPool2d(2, ceil_mode=True) if stride == 2 else nn.Identity()
        same = in_channels == channels
        self.expand = nn.Identity() if same else nn.Conv2d(in_channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.expand(self.pool(x))


class MBConv(nn.Module):
    """Inverted bottleneck with squeeze-and-excitation, normalised before (section 3.3)."""

    def __init__(self, in_channels: int, channels: int, stride: int, expansion: int):
        super().__init__()
        wide = expansion * channels
        self.shortcut = Shortcut(in_channels, channels, stride)
        self.pre_norm = BatchNorm(in_channels)
        self.expand = nn.Conv2d(in_channels, wide, 1, bias=False)
        self.expand_norm = BatchNorm(wide)
        self.depthwise = SameConv2d(wide, wide, 3, stride=stride, groups=wide, bias=False)
        self.depthwise_norm = BatchNorm(wide)
        self.squeeze = SqueezeExcite(wide, channels // 4)
        self.project = nn.Conv2d(wide, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = gelu(self.expand_norm(self.expand(self.pre_norm(x))))
        y = gelu(self.depthwise_norm(self.depthwise(y)))
        return self.shortcut(x) + self.project(self.squeeze(y))


class RelativePositions(nn.Module):
    """A learned bias for every offset between two tokens of a window, per head."""

    index: Tensor

    def __init__(self, heads: int, side: int):
        super().__init__()
        self.side = side
        self.table = nn.Parameter(torch.zeros(heads, 2 * side - 1, 2 * side - 1))
        place = torch.arange(side)
        offset = place[None, :] - place[:, None] + side - 1
        self.register_buffer("index", offset, persistent=False)

    def forward(self) -> Tensor:
        """Return heads x tokens x tokens: of queries, by rows, for keys."""
        down, across = self.index[:, None, :, None], self.index[None, :, None, :]
        tokens = self.side**2
        return self.table[:, down, across].reshape(-1, tokens, tokens)


class Attention(nn.Module):
    """Multi-head attention over the tokens of a window: N x tokens x C."""

    def __init__(self, channels: int, side: int, head: int):
        super().__init__()
        self.heads = channels // head
        self.qkv = nn.Linear(channels, 3 * channels)
        self.positions = RelativePositions(self.heads, side)
        self.project = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        split = self.qkv(x).unflatten(-1, (3, self.heads, -1))
        query, key, value = split.permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(query, key, value, attn_mask=self.positions()[None])
        return self.project(y.transpose(1, 2).flatten(2))


class FeedForward(nn.Sequential):
    """Two matrices with GELU between."""

    def __init__(self, channels: int, expansion: int):
        wide = expansion * channels
        super().__init__(
            nn.Linear(channels, wide), nn.GELU(approximate="tanh"), nn.Linear(wide, channels)
        )
