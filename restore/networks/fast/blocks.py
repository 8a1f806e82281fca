"""The blocks of MAXIM on the same parameters, in strips and in windows.

``walk`` says how the layers of a block traverse a map. Maps are N x H x W x C.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from restore.networks.architecture import Pair
from restore.networks.fast.layer_norm import FastLayerNorm
from restore.networks.fast.layers import (
    FastChannelAttention,
    FastConv,
    FastDense,
    FastGrow,
)
from restore.networks.fast.mixing import FastAxisGmlp, FastMultiAxisGating
from restore.networks.fast.onednn import GELU, Activation, usable
from restore.networks.fast.pending import PendingInput
from restore.networks.fast.strips import WholeMaps
from restore.networks.maxim.blocks import (
    BottleneckBlock,
    ChannelAttentionBlock,
    ConvFusion,
    CrossGatingBlock,
    DecoderBlock,
    DenseChannelAttentionBlock,
    EncoderBlock,
    MixingGroup,
    MultiAxisBlock,
    SupervisedAttention,
)


class FastMultiAxisBlock(nn.Module):
    """`MultiAxisBlock`: both halves by rows, or blocks by rows and then grids by offsets."""

    def __init__(self, plain: MultiAxisBlock):
        super().__init__()
        self.grid = plain.grid_gmlp.gate.view
        self.block = plain.block_gmlp.gate.view
        self.norm = FastLayerNorm(plain.norm)
        self.in_project = FastDense(plain.in_project)
        self.grid_gmlp = FastAxisGmlp(plain.grid_gmlp)
        self.block_gmlp = FastAxisGmlp(plain.block_gmlp)
        self.out_project = FastDense(plain.out_project)
        inner = self.in_project.weight.shape[0]
        self._grid_half, self._block_half = slice(0, inner // 2), slice(inner // 2, inner)

    def forward(self, x: Tensor, walk: WholeMaps) -> Tensor:
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


class FastChannelAttentionBlock(nn.Module):
    """`ChannelAttentionBlock` (RCAB)."""

    def __init__(self, plain: ChannelAttentionBlock):
        super().__init__()
        self.activation = Activation("leaky_relu", plain.slope)
        self.norm = FastLayerNorm(plain.norm)
        self.conv1, self.conv2 = FastConv(plain.conv1), FastConv(plain.conv2)
        self.attention = FastChannelAttention(plain.attention)

    def forward(self, x: Tensor, walk: WholeMaps) -> Tensor:
        y = walk.rows(self._branch, x, halo=2)
        return walk.add_gated(x, y, self.attention)

    def _branch(self, x: Tensor) -> Tensor:
        return self.conv2(self.conv1(self.norm(x), self.activation))


class FastDenseChannelAttentionBlock(nn.Module):
    """`DenseChannelAttentionBlock` (RDCAB)."""

    def __init__(self, plain: DenseChannelAttentionBlock):
        super().__init__()
        self.norm = FastLayerNorm(plain.norm)
        self.dense1, self.dense2 = FastDense(plain.dense1), FastDense(plain.dense2)
        self.attention = FastChannelAttention(plain.attention)

    def forward(self, x: Tensor, walk: WholeMaps) -> Tensor:
        y = walk.rows(self._branch, x)
        return walk.add_gated(x, y, self.attention)

    def _branch(self, x: Tensor) -> Tensor:
        return self.dense2(self.dense1(x, GELU, norm=self.norm))


class FastCrossGatingBlock(nn.Module):
    """`CrossGatingBlock` of pending inputs, whose maps are freed as early as possible."""

    def __init__(self, plain: CrossGatingBlock):
        super().__init__()
        self.grow = None if plain.grow is None else FastGrow(plain.grow)
        self.conv_x, self.conv_y = FastDense(plain.conv_x), FastDense(plain.conv_y)
        self.norm_x, self.norm_y = FastLayerNorm(plain.norm_x), FastLayerNorm(plain.norm_y)
        self.in_project_x = FastDense(plain.in_project_x)
        self.in_project_y = FastDense(plain.in_project_y)
        self.gating_x = FastMultiAxisGating(plain.gating_x)
        self.gating_y = FastMultiAxisGating(plain.gating_y)
        self.out_project_x = FastDense(plain.out_project_x)
        self.out_project_y = FastDense(plain.out_project_y)

    def forward(self, x: PendingInput, y: PendingInput, walk: WholeMaps) -> tuple[Tensor, Tensor]:
        shortcut_x, again = x.held(self.conv_x.together, walk)
        inner_x, then_x = walk.deferred(self._inner_x, shortcut_x)
        gate_x = self.gating_x(inner_x, then_x, walk)
        if walk.recomputes:
            del shortcut_x, inner_x
        shortcut_y = y.through(self._first_y, walk, height=gate_x.shape[1])
        inner_y, then_y = walk.deferred(self._inner_y, shortcut_y)
        gate_y = self.gating_y(inner_y, then_y, walk)

        def last_y(inner: Tensor, gate: Tensor, shortcut: Tensor) -> Tensor:
            return self.out_project_y(_times(then_y(inner), gate), plus=shortcut)

        gated_y = walk.rows(last_y, inner_y, gate_x, shortcut_y, into=gate_x)
        del shortcut_y, inner_y, gate_x
        if not walk.recomputes:
            args = inner_x, gate_y, shortcut_x, gated_y
            return walk.rows(self._last_x, *args, into=gate_y), gated_y

        def last_x(shortcut: Tensor, gate: Tensor, y: Tensor) -> Tensor:
            return self._last_x(then_x(shortcut), gate, shortcut, y)

        return again.combined(last_x, gate_y, gated_y, walk=walk, into=gate_y), gated_y

    def _last_x(self, inner: Tensor, gate: Tensor, shortcut: Tensor, y: Tensor) -> Tensor:
        result = self.out_project_x(_times(inner, gate), plus=y)
        return result.add_(shortcut) if usable(result) else result + shortcut

    def _first_y(self, parts: Sequence[Tensor]) -> Tensor:
        (y,) = parts
        return self.conv_y(self.grow(y) if self.grow is not None else y)

    def _inner_x(self, shortcut: Tensor) -> Tensor:
        return self.in_project_x(shortcut, GELU, norm=self.norm_x)

    def _inner_y(self, shortcut: Tensor) -> Tensor:
        return self.in_project_y(shortcut, GELU, norm=self.norm_y)


def _times(x: Tensor, y: Tensor) -> Tensor:
    """Return ``x * y``; ``x`` may be written over."""
    return x.mul_(y) if usable(x) else x * y


class FastConvFusion(nn.Module):
    """`ConvFusion` of a pending input."""

    def __init__(self, plain: ConvFusion):
        super().__init__()
        self.conv1x1, self.conv3x3 = FastDense(plain.conv1x1), FastConv(plain.conv3x3)

    def forward(self, x: PendingInput, walk: WholeMaps) -> Tensor:
        return x.through(lambda parts: self.conv3x3(self.conv1x1.together(parts)), walk, halo=1)


class FastMixingGroup(nn.Module):
    """`MixingGroup`; the layers are called one by one, so that none holds another's input."""

    def __init__(self, plain: MixingGroup):
        super().__init__()
        self.multi_axis = None if plain.multi_axis is None else FastMultiAxisBlock(plain.multi_axis)
        self.attention: nn.Module
        if isinstance(plain.attention, ChannelAttentionBlock):
            self.attention = FastChannelAttentionBlock(plain.attention)
        else:
            assert isinstance(plain.attention, DenseChannelAttentionBlock)
            self.attention = FastDenseChannelAttentionBlock(plain.attention)


def _fast_groups(plain: nn.ModuleList) -> nn.ModuleList:
    return nn.ModuleList(FastMixingGroup(g) for g in plain if isinstance(g, MixingGroup))


def _layers(groups: nn.ModuleList) -> Iterator[nn.Module]:
    for group in groups:
        assert isinstance(group, FastMixingGroup)
        if group.multi_axis is not None:
            yield group.multi_axis
        yield group.attention


class FastEncoderBlock(nn.Module):
    """`EncoderBlock` of pending inputs."""

    def __init__(self, plain: EncoderBlock):
        super().__init__()
        self.conv = FastDense(plain.conv)
        self.groups = _fast_groups(plain.groups)
        self.fuse = None if plain.fuse is None else FastCrossGatingBlock(plain.fuse)
        self.down = None if plain.down is None else FastConv(plain.down)

    def forward(
        self, x: PendingInput, previous: PendingInput | None, walk: WholeMaps
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


class FastDecoderBlock(nn.Module):
    """`DecoderBlock` of a pending bridge."""

    def __init__(self, plain: DecoderBlock):
        super().__init__()
        self.grow, self.block = FastGrow(plain.grow), FastEncoderBlock(plain.block)

    def forward(self, x: Tensor, bridge: PendingInput, walk: WholeMaps) -> Tensor:
        return self.block(bridge.preceded(self.grow, x), None, walk)


class FastBottleneckBlock(nn.Module):
    """`BottleneckBlock`."""

    def __init__(self, plain: BottleneckBlock):
        super().__init__()
        self.conv = FastDense(plain.conv)
        self.groups = _fast_groups(plain.groups)

    def forward(self, x: Tensor, walk: WholeMaps) -> Tensor:
        shortcut = x = walk.rows(self.conv, x)
        for layer in _layers(self.groups):
            x = layer(x, walk)
        return walk.add(x, shortcut)


class FastSupervisedAttention(nn.Module):
    """`SupervisedAttention` (SAM)."""

    def __init__(self, plain: SupervisedAttention):
        super().__init__()
        self.conv_features = FastConv(plain.conv_features)
        self.conv_image, self.conv_gate = FastConv(plain.conv_image), FastConv(plain.conv_gate)
        self.residual = plain.residual

    def forward(self, x: Tensor, image: Tensor, walk: WholeMaps) -> tuple[Tensor, Tensor]:
        restored = walk.rows(self._image, x, image, halo=1)
        return walk.rows(self._features, x, restored, halo=1), restored

    def _image(self, x: Tensor, image: Tensor) -> Tensor:
        restored = self.conv_image(x)
        return restored + image if self.residual else restored

    def _features(self, x: Tensor, image: Tensor) -> Tensor:
        gate = torch.sigmoid(self.conv_gate(image.to(x.dtype)))
        return torch.addcmul(x, self.conv_features(x), gate)
