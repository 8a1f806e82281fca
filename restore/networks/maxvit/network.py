"""MaxViT, the network (figure 2): a stem, stages of MBConv and two attentions, a classifier."""

from __future__ import annotations

from torch import Tensor, nn

from restore.networks.base import check_size
from restore.networks.maxvit.config import MaxvitConfig
from restore.networks.maxvit.layers import (
    LAYER_NORM_EPS,
    Attention,
    BatchNorm,
    FeedForward,
    MBConv,
    SameConv2d,
    gelu,
)
from restore.networks.token_views import BlockView, GridView, TokenView


class AxisAttention(nn.Module):
    """A transformer layer whose tokens are those of a block or grid split (equations 3 and 4)."""

    def __init__(self, channels: int, view: TokenView, config: MaxvitConfig):
        super().__init__()
        self.view = view
        self.norm1 = nn.LayerNorm(channels, eps=LAYER_NORM_EPS)
        self.attention = Attention(channels, view.size[0], config.head)
        self.norm2 = nn.LayerNorm(channels, eps=LAYER_NORM_EPS)
        self.feed_forward = FeedForward(channels, config.expansion)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self._attend(self.norm1(x))
        return x + self.feed_forward(self.norm2(x))

    def _attend(self, x: Tensor) -> Tensor:
        """Attend within the tokens of every window or offset of N x H x W x C."""
        tokens = self.view.tokens_first(self.view.split(x))
        rows, columns, *windows, channels = tokens.shape
        y = tokens.reshape(rows * columns, -1, channels).transpose(0, 1)
        y = self.attention(y).transpose(0, 1)
        return self.view.joined(self.view.tokens_back(y.reshape(rows, columns, *windows, channels)))


class MaxvitBlock(nn.Module):
    """MBConv, block attention, grid attention."""

    def __init__(self, in_channels: int, channels: int, stride: int, config: MaxvitConfig):
        super().__init__()
        block, grid = (config.block,) * 2, (config.grid,) * 2
        self.conv = MBConv(in_channels, channels, stride, config.expansion)
        self.block = AxisAttention(channels, BlockView(block), config)
        self.grid = AxisAttention(channels, GridView(grid), config)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x).permute(0, 2, 3, 1)
        return self.grid(self.block(x)).permute(0, 3, 1, 2)


class Stem(nn.Module):
    """Two convolutions; the first halves the resolution."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = SameConv2d(3, channels, 3, stride=2)
        self.norm = BatchNorm(channels)
        self.conv2 = SameConv2d(channels, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(gelu(self.norm(self.conv1(x))))


class Classifier(nn.Module):
    """Mean over all pixels, layer norm, a hidden layer, the outputs."""

    def __init__(self, channels: int, hidden: int, outputs: int):
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=LAYER_NORM_EPS)
        self.hidden = nn.Linear(channels, hidden)
        self.outputs = nn.Linear(hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.outputs(self.hidden(self.norm(x.mean((2, 3)))).tanh())


class Maxvit(nn.Module):
    """MaxViT of any configuration; cost is linear in the number of pixels."""

    def __init__(self, config: MaxvitConfig):
        super().__init__()
        self.config = config
        self.stem = Stem(config.stem)
        self.stages = stages_of(config)
        self.classifier = Classifier(config.channels[-1], config.hidden, config.outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return N x outputs logits of N x 3 x H x W images, normalised as in training.

        Raises `SizeError` where H or W is not a multiple of ``config.size_multiple``.
        """
        check_size(x, self.config.size_multiple)
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        return self.classifier(x)


def stages_of(config: MaxvitConfig) -> nn.ModuleList:
    """Build the stages, which map N x stem x H x W to N x channels[-1] x h x w."""
    before = (config.stem, *config.channels[:-1])
    shapes = zip(before, config.channels, config.depths, strict=True)
    return nn.ModuleList(_stage(*shape, config) for shape in shapes)


def _stage(before: int, channels: int, depth: int, config: MaxvitConfig) -> nn.Sequential:
    """Blocks at one resolution, half that of the stage before."""
    first = MaxvitBlock(before, channels, 2, config)
    others = (MaxvitBlock(channels, channels, 1, config) for _ in range(depth - 1))
    return nn.Sequential(first, *others)
