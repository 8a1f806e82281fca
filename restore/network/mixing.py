"""Mixing along the spatial axes: blocks (near pixels) and grids (far pixels).

A *block* split cuts the image into windows of h x w pixels; the tokens that are mixed are the
pixels of one window. A *grid* split cuts it into h x w equal cells; the tokens are the pixels at
the same offset in every cell. Either way one n x n matrix (n = h * w), shared by all windows or
offsets and all channels, mixes them: out[m] = sum_n kernel[n, m] v[n] + bias[m].
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from restore.network.config import Pair
from restore.network.fused import GELU
from restore.network.layers import Dense, LayerNorm


class TokenView:
    """How one split sees an N x H x W x C map as tokens, without copying.

    `split` gives a 6-dimensional view; `TOKENS_FIRST` permutes that view to
    (token row, token column, N, other rows, other columns, C).
    """

    TOKENS_FIRST: tuple[int, ...]
    TOKENS_BACK: tuple[int, ...]

    def __init__(self, size: Pair):
        self.size = size

    def split(self, x: Tensor) -> Tensor:
        raise NotImplementedError


class BlockView(TokenView):
    TOKENS_FIRST = (2, 4, 0, 1, 3, 5)
    TOKENS_BACK = (2, 3, 0, 4, 1, 5)

    def split(self, x: Tensor) -> Tensor:
        _, height, width, _ = x.shape
        h, w = self.size
        return x.unflatten(1, (height // h, h)).unflatten(3, (width // w, w))


class GridView(TokenView):
    TOKENS_FIRST = (1, 3, 0, 2, 4, 5)
    TOKENS_BACK = (2, 0, 3, 1, 4, 5)

    def split(self, x: Tensor) -> Tensor:
        _, height, width, _ = x.shape
        h, w = self.size
        return x.unflatten(1, (h, height // h)).unflatten(3, (w, width // w))


class SpatialMix(nn.Module):
    """The matrix over tokens, stored as (tokens out, tokens in)."""

    def __init__(self, tokens: int, bias: bool):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(tokens, tokens))
        self.bias = nn.Parameter(torch.empty(tokens)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Mix a contiguous tensor whose first two dimensions are the token rows and columns."""
        flat = x.reshape(self.weight.shape[0], -1)
        if self.bias is None:
            mixed = self.weight @ flat
        else:
            mixed = torch.addmm(self.bias[:, None], self.weight, flat)
        return mixed.view(x.shape)


class GatingUnit(nn.Module):
    """Spatial gating unit: u * (mix(LayerNorm(v)) + 1) for the channel halves u, v.

    Eq. 1 of gMLP (arXiv 2105.08050), with the block or grid split of MAXIM. One gather brings the
    tokens of v to the front, so that the mix is a single matrix product; the product with u reads
    its result through a view and so undoes the gather for free.
    """

    def __init__(self, channels: int, view: TokenView, bias: bool):
        super().__init__()
        self.view = view
        self.norm = LayerNorm(channels // 2)
        self.mix = SpatialMix(view.size[0] * view.size[1], bias)

    def forward(self, x: Tensor) -> Tensor:
        u, v = self.view.split(x).chunk(2, dim=-1)
        v = self.norm(v.permute(self.view.TOKENS_FIRST).contiguous())
        gate = self.mix(v).permute(self.view.TOKENS_BACK)
        # N x (h or H/h) x .. x (w or W/w) x .. x C/2, back to N x H x W x C/2
        return torch.addcmul(u, u, gate).flatten(3, 4).flatten(1, 2)


class AxisGmlp(nn.Module):
    """gMLP along one axis: x + out_project(gate(gelu(in_project(LayerNorm(x)))))."""

    def __init__(self, channels: int, factor: int, view: TokenView, bias: bool):
        super().__init__()
        self.norm = LayerNorm(channels)
        self.in_project = Dense(channels, factor * channels, bias)
        self.gate = GatingUnit(factor * channels, view, bias)
        self.out_project = Dense(factor * channels // 2, channels, bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.out_project(self.gate(self.in_project(self.norm(x), GELU)), plus=x)


class MultiAxisGating(nn.Module):
    """Spatial gating weights of the cross-gating block: half the channels mixed along the grid,
    half along blocks."""

    def __init__(self, channels: int, factor: int, block: Pair, grid: Pair, bias: bool):
        super().__init__()
        self.grid = GridView(grid)
        self.block = BlockView(block)
        self.norm = LayerNorm(channels)
        self.in_project = Dense(channels, factor * channels, bias)
        self.grid_mix = SpatialMix(grid[0] * grid[1], bias)
        self.block_mix = SpatialMix(block[0] * block[1], bias)
        self.out_project = Dense(factor * channels, channels, bias)

    def forward(self, x: Tensor) -> Tensor:
        u, v = self.in_project(self.norm(x), GELU).chunk(2, dim=-1)
        u = mix_tokens(u, self.grid, self.grid_mix)
        v = mix_tokens(v, self.block, self.block_mix)
        return self.out_project(torch.cat((u, v), dim=-1))


def mix_tokens(x: Tensor, view: TokenView, mix: SpatialMix) -> Tensor:
    """N x H x W x C in and out: gather tokens, one matrix product, scatter."""
    tokens = view.split(x).permute(view.TOKENS_FIRST).contiguous()
    return mix(tokens).permute(view.TOKENS_BACK).flatten(3, 4).flatten(1, 2)
