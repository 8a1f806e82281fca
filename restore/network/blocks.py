"""The blocks of MAXIM (CVPR 2022, section 3 and figure 2), on N x H x W x C feature maps.

Where a block takes a ``walk``, that says how its layers go over a map.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from restore.network.config import MaximConfig, Pair
from restore.network.fused import GELU, Activation, plain_operators
from restore.network.layers import ChannelAttention, Conv, Dense, Grow, LayerNorm
from restore.network.mixing import AxisGmlp, BlockView, GridView, MultiAxisGating
from restore.network.strips import WHOLE, Parts, Whole


class MultiAxisBlock(nn.Module):
    """Multi-axis gMLP block: half the channels through a grid gMLP, half through a block gMLP."""

    def __init__(self, config: MaximConfig, level: int):
        super().__init__()
        channels = _level_width(config, level)
        inner = config.input_proj_factor * channels
        bias = config.use_bias
        self.grid, self.block = (
            GridView(config.grid_size(level)),
            BlockView(config.block_size(level)),
        )
        self.norm = LayerNorm(channels)
        self.in_project = Dense(channels, inner, bias)
        self.grid_gmlp = AxisGmlp(inner // 2, config.grid_gmlp_factor, self.grid, bias)
        self.block_gmlp = AxisGmlp(inner // 2, config.block_gmlp_factor, self.block, bias)
        self.out_project = Dense(inner, channels, bias)
        self._grid_half, self._block_half = slice(0, inner // 2), slice(inner // 2, inner)

    def forward(self, x: Tensor, walk: Whole = WHOLE) -> Tensor:
        window = walk.window(x)
        if walk.in_rows(x):
            rows = (window or self.block.size)[0]
            return walk.rows(lambda strip: self._both(strip, window), x, multiple=rows)
        y = walk.rows(self._by_blocks, x, multiple=self.block.size[0])

        def by_grid(x: Tensor, so_far: Tensor) -> Tensor:
            u = self.in_project(x, GELU, norm=self.norm, outputs=self._grid_half)
            u = self.grid_gmlp(u, walk.window(x))
            return self.out_project(u, plus=so_far, inputs=self._grid_half)

        return walk.offsets(by_grid, x, y, cells=self.grid.size[0], into=y)

    def _both(self, x: Tensor, window: Pair | None) -> Tensor:
        u, v = self.in_project.halves(x, GELU, self.norm)
        parts = self.grid_gmlp(u, window), self.block_gmlp(v)
        return self.out_project.together(parts, plus=x)

    def _by_blocks(self, x: Tensor) -> Tensor:
        v = self.in_project(x, GELU, norm=self.norm, outputs=self._block_half)
        return self.out_project(self.block_gmlp(v), plus=x, inputs=self._block_half)


class ChannelAttentionBlock(nn.Module):
    """RCAB: LayerNorm, 3x3, leaky ReLU, 3x3, channel attention, plus the input."""

    def __init__(self, config: MaximConfig, level: int):
        super().__init__()
        channels = _level_width(config, level)
        self.activation = Activation("leaky_relu", config.lrelu_slope)
        self.norm = LayerNorm(channels)
        self.conv1 = Conv(channels, channels, config.use_bias)
        self.conv2 = Conv(channels, channels, config.use_bias)
        self.attention = ChannelAttention(channels, config.channels_reduction, config.use_bias)

    def forward(self, x: Tensor, walk: Whole = WHOLE) -> Tensor:
        y = walk.rows(self._branch, x, halo=2)
        return walk.add_gated(x, y, self.attention)

    def _branch(self, x: Tensor) -> Tensor:
        return self.conv2(self.conv1(self.norm(x), self.activation))


class DenseChannelAttentionBlock(nn.Module):
    """RDCAB: LayerNorm, dense, GELU, dense, channel attention, plus the input."""

    def __init__(self, config: MaximConfig, level: int):
        super().__init__()
        channels = _level_width(config, level)
        self.norm = LayerNorm(channels)
        self.dense1 = Dense(channels, channels, config.use_bias)
        self.dense2 = Dense(channels, channels, config.use_bias)
        self.attention = ChannelAttention(channels, config.channels_reduction, config.use_bias)

    def forward(self, x: Tensor, walk: Whole = WHOLE) -> Tensor:
        y = walk.rows(self._branch, x)
        return walk.add_gated(x, y, self.attention)

    def _branch(self, x: Tensor) -> Tensor:
        return self.dense2(self.dense1(x, GELU, norm=self.norm))


class CrossGatingBlock(nn.Module):
    """Two feature maps that gate each other (figure 2c).

    ``y`` is up-sampled by two first where ``y_below`` says it comes from the level below.
    Returns both, each ``config.width(level)`` wide.
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

    def forward(self, x: Parts, y: Parts, walk: Whole = WHOLE) -> tuple[Tensor, Tensor]:
        shortcut_x, again = x.held(self.conv_x.together, walk)
        inner_x, then_x = walk.later(self._inner_x, shortcut_x)
        gate_x = self.gating_x(inner_x, then_x, walk)
        if walk.spares:
            del shortcut_x, inner_x
        shortcut_y = y.through(self._first_y, walk, height=gate_x.shape[1])
        inner_y, then_y = walk.later(self._inner_y, shortcut_y)
        gate_y = self.gating_y(inner_y, then_y, walk)

        def last_y(inner: Tensor, gate: Tensor, shortcut: Tensor) -> Tensor:
            return self.out_project_y(_times(then_y(inner), gate), plus=shortcut)

        gated_y = walk.rows(last_y, inner_y, gate_x, shortcut_y, into=gate_x)
        del shortcut_y, inner_y, gate_x
        if not walk.spares:
            args = inner_x, gate_y, shortcut_x, gated_y
            return walk.rows(self._last_x, *args, into=gate_y), gated_y

        def last_x(shortcut: Tensor, gate: Tensor, y: Tensor) -> Tensor:
            return self._last_x(then_x(shortcut), gate, shortcut, y)

        return again.beside(last_x, gate_y, gated_y, walk=walk, into=gate_y), gated_y

    def _last_x(self, inner: Tensor, gate: Tensor, shortcut: Tensor, y: Tensor) -> Tensor:
        result = self.out_project_x(_times(inner, gate), plus=y)
        return result + shortcut if plain_operators(result) else result.add_(shortcut)

    def _first_y(self, parts: Sequence[Tensor]) -> Tensor:
        (y,) = parts
        return self.conv_y(self.grow(y) if self.grow is not None else y)

    def _inner_x(self, shortcut: Tensor) -> Tensor:
        return self.in_project_x(shortcut, GELU, norm=self.norm_x)

    def _inner_y(self, shortcut: Tensor) -> Tensor:
        return self.in_project_y(shortcut, GELU, norm=self.norm_y)


def _times(x: Tensor, y: Tensor) -> Tensor:
    """``x * y``; ``x`` may be gone afterwards."""
    return x * y if plain_operators(x) else x.mul_(y)


class ConvFusion(nn.Module):
    """What stands in for cross-gating of the skips where it is switched off: 1x1, then 3x3."""

    def __init__(self, config: MaximConfig, level: int, in_channels: int):
        super().__init__()
        self.conv1x1 = Dense(in_channels, config.width(level), config.use_bias)
        self.conv3x3 = Conv(config.width(level), config.width(level), config.use_bias)

    def forward(self, x: Parts, walk: Whole = WHOLE) -> Tensor:
        return x.through(lambda parts: self.conv3x3(self.conv1x1.together(parts)), walk, halo=1)


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
        self, x: Parts, previous: Parts | None = None, walk: Whole = WHOLE
    ) -> Tensor | tuple[Tensor, Tensor]:
        """``previous``: sum of the previous stage's encoder and decoder features of this level."""
        shortcut = y = x.through(self.conv.together, walk)
        for layer in _layers(self.groups):
            y = layer(y, walk)
        y = walk.add(y, shortcut)
        del shortcut
        if self.fuse is not None and previous is not None:
            x.maps.append(y)
            del y
            y = self.fuse(x, previous, walk)[0]
        if self.down is None:
            return y
        return walk.rows(self.down, y, height=y.shape[1] // 2, halo=1), y


class DecoderBlock(nn.Module):
    """Double the resolution, then an encoder block over [x, bridge]."""

    def __init__(self, config: MaximConfig, level: int, in_channels: int, bridge_channels: int):
        super().__init__()
        channels = config.width(level)
        self.grow = Grow(in_channels, channels, config.use_bias)
        self.block = EncoderBlock(config, level, channels + bridge_channels, down=False)

    def forward(self, x: Tensor, bridge: Parts, walk: Whole = WHOLE) -> Tensor:
        return self.block(bridge.behind(self.grow, x), walk=walk)


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

    def forward(self, x: Tensor, walk: Whole = WHOLE) -> Tensor:
        shortcut = x = walk.rows(self.conv, x)
        for layer in _layers(self.groups):
            x = layer(x, walk)
        return walk.add(x, shortcut)


class MixingGroup(nn.Module):
    """A multi-axis block, which encoders and decoders may lack, and a channel attention block."""

    def __init__(self, multi_axis: MultiAxisBlock | None, attention: nn.Module):
        super().__init__()
        self.multi_axis = multi_axis
        self.attention = attention


def _layers(groups: nn.ModuleList) -> Iterator[nn.Module]:
    # One after the other in the caller's loop, so that nobody holds on to a layer's input.
    for group in groups:
        assert isinstance(group, MixingGroup)
        if group.multi_axis is not None:
            yield group.multi_axis
        yield group.attention


class SupervisedAttention(nn.Module):
    """SAM (MPRNet, CVPR 2021): an image at this scale, and features that attend to it.

    ``image`` and the returned picture are N x h x w x (3 * stem_factor**2).
    """

    def __init__(self, config: MaximConfig, level: int):
        super().__init__()
        channels, bias = config.width(level), config.use_bias
        pixels = config.num_outputs * config.stem_factor**2
        self.conv_features = Conv(channels, channels, bias)
        self.conv_image = Conv(channels, pixels, bias)
        self.conv_gate = Conv(pixels, channels, bias)
        self.residual = config.num_outputs == 3

    def forward(self, x: Tensor, image: Tensor, walk: Whole = WHOLE) -> tuple[Tensor, Tensor]:
        restored = walk.rows(self._image, x, image, halo=1)
        return walk.rows(self._features, x, restored, halo=1), restored

    def _image(self, x: Tensor, image: Tensor) -> Tensor:
        restored = self.conv_image(x)
        return restored + image if self.residual else restored

    def _features(self, x: Tensor, image: Tensor) -> Tensor:
        gate = torch.sigmoid(self.conv_gate(image.to(x.dtype)))
        return torch.addcmul(x, self.conv_features(x), gate)


def _level_width(config: MaximConfig, level: int) -> int:
    # The bottleneck (level == depth) is as wide as the last level.
    return config.width(min(level, config.depth - 1))
