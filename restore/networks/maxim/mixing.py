"""Mixing along the spatial axes: blocks (near pixels) and grids (far pixels).

A *block* split cuts the image into windows of h x w pixels; the tokens that are mixed are the
pixels of one window. A *grid* split cuts the image into h x w equal cells; the tokens are the
pixels at the same offset in every cell. In both, one n x n matrix (n = h * w), shared by all
windows or offsets and all channels, mixes the tokens: out[m] = sum_n kernel[n, m] v[n] + bias[m].
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from restore.networks.architecture import Pair
from restore.networks.maxim.layers import Dense, LayerNorm, gelu


class TokenView:
    """View an N x H x W x C map as tokens, without copying; ``size`` is h x w tokens."""

    def __init__(self, size: Pair):
        self.size = size

    def split(self, x: Tensor) -> Tensor:
        """Split height and width: N x H1 x H2 x W1 x W2 x C."""
        raise NotImplementedError

    def tokens_first(self, x: Tensor) -> Tensor:
        """Reorder a split map: token rows and columns are the first two dimensions."""
        raise NotImplementedError

    def tokens_back(self, tokens: Tensor) -> Tensor:
        """Undo `tokens_first`."""
        raise NotImplementedError

    def joined(self, x: Tensor) -> Tensor:
        """Undo `split`: N x H x W x C, copied where the memory requires it."""
        return x.flatten(3, 4).flatten(1, 2)


class BlockView(TokenView):
    """Tokens are the pixels of one window of h x w pixels."""

    def split(self, x: Tensor) -> Tensor:
        _, height, width, _ = x.shape
        h, w = self.size
        return x.unflatten(1, (height // h, h)).unflatten(3, (width // w, w))

    def tokens_first(self, x: Tensor) -> Tensor:
        return x.permute(2, 4, 0, 1, 3, 5)

    def tokens_back(self, tokens: Tensor) -> Tensor:
        return tokens.permute(2, 3, 0, 4, 1, 5)


class GridView(TokenView):
    """Tokens are the pixels at one offset in all of h x w cells."""

    def split(self, x: Tensor) -> Tensor:
        _, height, width, _ = x.shape
        h, w = self.size
        return x.unflatten(1, (h, height // h)).unflatten(3, (w, width // w))

    def tokens_first(self, x: Tensor) -> Tensor:
        return x.permute(1, 3, 0, 2, 4, 5)

    def tokens_back(self, tokens: Tensor) -> Tensor:
        return tokens.permute(2, 0, 3, 1, 4, 5)


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
