"""Mixing along the spatial axes: blocks (near pixels) and grids (far pixels).

With the tokens of `restore.networks.token_views`, one n x n matrix (n = h * w), shared by all
windows or offsets and all channels, mixes them: out[m] = sum_n kernel[n, m] v[n] + bias[m].
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from restore.networks.architecture import Pair
from restore.networks.maxim.layers import Dense, LayerNorm, gelu
from restore.networks.token_views import BlockView, GridView, TokenView


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
            return (self.weight @ flat).view(x.shape)
        return torch.addmm(self.bias[:, None], self.weight, flat).view(x.shape)


class GatingUnit(nn.Module):
    """Spatial gating unit: u * (mix(LayerNorm(v)) + 1) for the channel halves u and v.

    Eq. 1 of gMLP (arXiv 2105.08050), with the block or grid split of MAXIM.
    """

    def __init__(self, channels: int, view: TokenView, bias: bool):
        super().__init__()
        self.view = view
        self.norm = LayerNorm(channels // 2)
        self.mix = SpatialMix(view.size[0] * view.size[1], bias)

    def forward(self, x: Tensor) -> Tensor:
        u, v = (self.view.split(half) for half in x.chunk(2, dim=-1))
        v = self.norm(self.view.tokens_first(v).contiguous())
        v = self.view.tokens_back(self.mix(v))
        return self.view.joined(torch.addcmul(u, u, v))  # u + u * v


class AxisGmlp(nn.Module):
    """gMLP along one axis: x + out_project(gate(gelu(in_project(LayerNorm(x)))))."""

    def __init__(self, channels: int, factor: int, view: TokenView, bias: bool):
        super().__init__()
        self.norm = LayerNorm(channels)
        self.in_project = Dense(channels, factor * channels, bias)
        self.gate = GatingUnit(factor * channels, view, bias)
        self.out_project = Dense(factor * channels // 2, channels, bias)

    def forward(self, x: Tensor) -> Tensor:
        y = gelu(self.in_project(self.norm(x)))
        return x + self.out_project(self.gate(y))


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
        u, v = gelu(self.in_project(self.norm(x))).chunk(2, dim=-1)
        u = mix_tokens(u, self.grid, self.grid_mix)
        v = mix_tokens(v, self.block, self.block_mix)
        return self.out_project(torch.cat((u, v), dim=-1))


def mix_tokens(x: Tensor, view: TokenView, mix: SpatialMix) -> Tensor:
    """Gather the tokens of an N x H x W x C map, mix them, and put them back."""
    tokens = view.tokens_first(view.split(x)).contiguous()
    return view.joined(view.tokens_back(mix(tokens)))
