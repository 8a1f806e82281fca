"""The blocks of MAXIM (CVPR 2022, section 3 and figure 2), on N x H x W x C feature maps."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restore.networks.maxim.config import MaximConfig
from restore.networks.maxim.layers import ChannelAttention, Conv, Dense, Grow, LayerNorm, gelu
from restore.networks.maxim.mixing import AxisGmlp, MultiAxisGating
from restore.networks.token_views import BlockView, GridView


class MultiAxisBlock(nn.Module):
    """Multi-axis gMLP block: half the channels through a grid gMLP, half through a block gMLP."""

    def __init__(self, config: MaximConfig, level: int):
        super().__init__()
        channels = _level_width(config, level)
        inner = config.input_proj_factor * channels
        bias = config.use_bias
        grid, block = GridView(config.grid_size(level)), BlockView(config.block_size(level))
        self.norm = LayerNorm(channels)
        self.in_project = Dense(channels, inner, bias)
        self.grid_gmlp = AxisGmlp(inner // 2, config.grid_gmlp_factor, grid, bias)
        self.block_gmlp = AxisGmlp(inner // 2, config.block_gmlp_factor, block, bias)
        self.out_project = Dense(inner, channels, bias)

    def forward(self, x: Tensor) -> Tensor:
        u, v = gelu(self.in_project(self.norm(x))).chunk(2, dim=-1)
        y = torch.cat((self.grid_gmlp(u), self.block_gmlp(v)), dim=-1)
        return x + self.out_project(y)


class ChannelAttentionBlock(nn.Module):
    """RCAB: LayerNorm, 3x3, leaky ReLU, 3x3, channel attention, plus the input."""

    def __init__(self, config: MaximConfig, level: int):
        super().__init__()
        channels = _level_width(config, level)
        self.slope = config.lrelu_slope
        self.norm = LayerNorm(channels)
        self.conv1 = Conv(channels, channels, config.use_bias)
        self.conv2 = Conv(channels, channels, config.use_bias)
        self.attention = ChannelAttention(channels, config.channels_reduction, config.use_bias)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(F.leaky_relu(self.conv1(self.norm(x)), self.slope))
        return torch.addcmul(x, y, self.attention(y))  # x + y * gates


class DenseChannelAttentionBlock(nn.Module):
    """RDCAB: LayerNorm, dense, GELU, dense, channel attention, plus the input."""

    def __init__(self, config: MaximConfig, level: int):
        super().__init__()
        channels = _level_width(config, level)
        self.norm = LayerNorm(channels)
        self.dense1 = Dense(channels, channels, config.use_bias)
        self.dense2 = Dense(channels, channels, config.use_bias)
        self.attention = ChannelAttention(channels, config.channels_reduction, config.use_bias)

    def forward(self, x: Tensor) -> Tensor:
        y = self.dense2(gelu(self.dense1(self.norm(x))))
        return torch.addcmul(x, y, self.attention(y))  # x + y * gates


class CrossGatingBlock(nn.Module):
    """Two feature maps that gate each other (figure 2c).

    ``y_below``: whether ``y`` comes from the level below, and is up-sampled by two first. Returns
    both maps, each ``config.width(level)`` wide.
    """

    def __init__(
        self, config: MaximConfig, level: int, x_channels: int, y_channels: int, y_below: bool
    ):
        super().__init__()
        channels, bias = config.width(level), config.use_bias
        self.grow = Grow(y_channels, channels, bias) if y_below else None
        self.conv_x = Dense(x_channels, channels, bias)
        self.conv_y = Dense(channels if y_below else y_channels, channels, bias)
        self.norm_x = LayerNorm(channels)
        self.norm_y = LayerNorm(channels)
        self.in_project_x = Dense(channels, channels, bias)
        self.in_project_y = Dense(channels, channels, bias)
        block, grid = config.block_size(level), config.grid_size(level)
        factor = config.input_proj_factor
        self.gating_x = MultiAxisGating(channels, factor, block, grid, bias)
        self.gating_y = MultiAxisGating(channels, factor, block, grid, bias)
        self.out_project_x = Dense(channels, channels, bias)
        self.out_project_y = Dense(channels, channels, bias)

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        if self.grow is not None:
            y = self.grow(y)
        shortcut_x, shortcut_y = self.conv_x(x), self.conv_y(y)
        x = gelu(self.in_project_x(self.norm_x(shortcut_x)))
        y = gelu(self.in_project_y(self.norm_y(shortcut_y)))
        gate_x, gate_y = self.gating_x(x), self.gating_y(y)
        y = self.out_project_y(y * gate_x) + shortcut_y
        x = self.out_project_x(x * gate_y) + y + shortcut_x
        return x, y


class ConvFusion(nn.Module):
    """Fuse the skips without cross-gating: 1x1, then 3x3."""

    def __init__(self, config: MaximConfig, level: int, in_channels: int):
        super().__init__()
        self.conv1x1 = Dense(in_channels, config.width(level), config.use_bias)
        self.conv3x3 = Conv(config.width(level), config.width(level), config.use_bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv3x3(self.conv1x1(x))


class MixingGroup(nn.Module):
    """A multi-axis block, which encoders and decoders may lack, and a channel attention block."""

    def __init__(self, multi_axis: MultiAxisBlock | None, attention: nn.Module):
        super().__init__()
        self.multi_axis = multi_axis
        self.attention = attention

    def forward(self, x: Tensor) -> Tensor:
        if self.multi_axis is not None:
            x = self.multi_axis(x)
        return self.attention(x)


class EncoderBlock(nn.Module):
    """One level of the U-Net: 1x1, groups of (multi-axis block, RCAB) around a long shortcut.

    ``fuse`` adds the cross-gating with the previous stage's features, ``down`` the stride-2
    convolution. Returns (next level's input, features), or the features alone without ``down``.
    """

    def __init__(
        self,
        config: MaximConfig,
        level: int,
        in_channels: int,
        fuse: bool = False,
        down: bool = True,
    ):
        super().__init__()
        channels = config.width(level)
        self.conv = Dense(in_channels, channels, config.use_bias)
        self.groups = nn.ModuleList(
            MixingGroup(
                MultiAxisBlock(config, level) if config.use_global_mlp else None,
                ChannelAttentionBlock(config, level),
            )
            for _ in range(config.num_groups)
        )
        self.fuse = (
            CrossGatingBlock(config, level, channels, channels, y_below=False) if fuse else None
        )
        self.down = Conv(channels, channels, config.use_bias, shrink=True) if down else None

    def forward(
        self, x: Tensor, skips: Sequence[Tensor] = (), previous: Tensor | None = None
    ) -> Tensor | tuple[Tensor, Tensor]:
        """``skips`` are concatenated to ``x``; ``previous`` is the sum of the previous stage's
        encoder and decoder features of this level."""
        x = shortcut = self.conv(torch.cat((x, *skips), dim=-1))
        for group in self.groups:
            x = group(x)
        x = x + shortcut
        if self.fuse is not None:
            x, _ = self.fuse(x, previous)
        return x if self.down is None else (self.down(x), x)


class DecoderBlock(nn.Module):
    """Double the resolution, then an encoder block over the result and the bridge."""

    def __init__(self, config: MaximConfig, level: int, in_channels: int, bridge_channels: int):
        super().__init__()
        channels = config.width(level)
        self.grow = Grow(in_channels, channels, config.use_bias)
        self.block = EncoderBlock(config, level, channels + bridge_channels, down=False)

    def forward(self, x: Tensor, bridge: Sequence[Tensor]) -> Tensor:
        return self.block(self.grow(x), bridge)


class BottleneckBlock(nn.Module):
    """Global block below the last level: 1x1, groups of (multi-axis block, RDCAB), shortcut."""

    def __init__(self, config: MaximConfig):
        super().__init__()
        level = config.depth
        channels = _level_width(config, level)
        self.conv = Dense(channels, channels, config.use_bias)
        self.groups = nn.ModuleList(
            MixingGroup(MultiAxisBlock(config, level), DenseChannelAttentionBlock(config, level))
            for _ in range(config.num_groups)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = shortcut = self.conv(x)
        for group in self.groups:
            x = group(x)
        return x + shortcut


class SupervisedAttention(nn.Module):
    """SAM (MPRNet, CVPR 2021): an image at this scale, and features that attend to it.

    ``image`` and the returned image are N x h x w x (3 * stem_factor**2).
    """

    def __init__(self, config: MaximConfig, level: int):
        super().__init__()
        channels, bias = config.width(level), config.use_bias
        pixels = config.num_outputs * config.stem_factor**2
        self.conv_features = Conv(channels, channels, bias)
        self.conv_image = Conv(channels, pixels, bias)
        self.conv_gate = Conv(pixels, channels, bias)
        self.residual = config.num_outputs == 3

    def forward(self, x: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return (features, image)."""
        restored = self.conv_image(x)
        if self.residual:
            restored = restored + image
        gate = torch.sigmoid(self.conv_gate(restored.to(x.dtype)))
        return torch.addcmul(x, self.conv_features(x), gate), restored  # x + features * gate


def _level_width(config: MaximConfig, level: int) -> int:
    # The bottleneck (level == depth) is as wide as the last level.
    return config.width(min(level, config.depth - 1))
