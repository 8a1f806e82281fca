"""Mixing along the spatial axes: blocks (near pixels) and grids (far pixels).

A *block* split cuts the image into windows of h x w pixels; the tokens that are mixed are the
pixels of one window. A *grid* split cuts it into h x w equal cells; the tokens are the pixels at
the same offset in every cell. Either way one n x n matrix (n = h * w), shared by all windows or
offsets and all channels, mixes them: out[m] = sum_n kernel[n, m] v[n] + bias[m].

A grid may be confined to windows, each of which is then cut into cells like a picture of its own.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from restore.network.config import Pair
from restore.network.fused import GELU, Arrange, matrix_product, normalised, plain_operators
from restore.network.layers import Dense, Keeping, LayerNorm
from restore.network.strips import WHOLE, Run, Whole


class TokenView:
    """How one split sees an N x H x W x C map as tokens, without copying."""

    def __init__(self, size: Pair):
        self.size = size

    def split(self, x: Tensor, window: Pair | None = None) -> Tensor:
        """A view of more dimensions, of which `tokens_first` knows the order.

        ``window``: height and width of what a grid is confined to; blocks lie within any.
        """
        raise NotImplementedError

    def apart(self, x: Tensor, window: Pair | None = None) -> Pair:
        """Rows and columns from a token to the next; ``window`` as for `split`."""
        raise NotImplementedError

    def tokens_first(self, x: Tensor) -> Tensor:
        """A split map with the token rows and columns as its first dimensions."""
        raise NotImplementedError

    def tokens_back(self, tokens: Tensor) -> Tensor:
        """Undo `tokens_first`."""
        raise NotImplementedError

    def joined(self, x: Tensor) -> Tensor:
        """Undo `split`: N x H x W x C, copied where it must be."""
        extra = (x.ndim - 4) // 2
        return x.flatten(2 + extra, 2 + 2 * extra).flatten(1, 1 + extra)


class BlockView(TokenView):
    def split(self, x: Tensor, window: Pair | None = None) -> Tensor:
        _, height, width, _ = x.shape
        h, w = self.size
        return x.unflatten(1, (height // h, h)).unflatten(3, (width // w, w))

    def apart(self, x: Tensor, window: Pair | None = None) -> Pair:
        return 1, 1

    def tokens_first(self, x: Tensor) -> Tensor:
        return x.permute(2, 4, 0, 1, 3, 5)

    def tokens_back(self, tokens: Tensor) -> Tensor:
        return tokens.permute(2, 3, 0, 4, 1, 5)


class GridView(TokenView):
    def split(self, x: Tensor, window: Pair | None = None) -> Tensor:
        h, w = self.size
        down, across = self.apart(x, window)
        if window is None:
            return x.unflatten(1, (h, down)).unflatten(3, (w, across))
        _, height, width, _ = x.shape
        rows = (height // window[0], h, down)
        return x.unflatten(1, rows).unflatten(4, (width // window[1], w, across))

    def apart(self, x: Tensor, window: Pair | None = None) -> Pair:
        height, width = window or x.shape[1:3]
        return height // self.size[0], width // self.size[1]

    def tokens_first(self, x: Tensor) -> Tensor:
        return x.permute((1, 3, 0, 2, 4, 5) if x.ndim == 6 else (2, 5, 0, 1, 3, 4, 6, 7))

    def tokens_back(self, tokens: Tensor) -> Tensor:
        return tokens.permute((2, 0, 3, 1, 4, 5) if tokens.ndim == 6 else (2, 3, 0, 4, 5, 1, 6, 7))


class SpatialMix(nn.Module):
    """The matrix over tokens, stored as (tokens out, tokens in)."""

    def __init__(self, tokens: int, bias: bool):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(tokens, tokens))
        self.bias = nn.Parameter(torch.empty(tokens)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Mix a contiguous tensor whose first two dimensions are the token rows and columns."""
        flat = x.reshape(self.weight.shape[0], -1)
        return matrix_product(self.weight, flat, self.bias).view(x.shape)

    def product(self, x: Tensor) -> Tensor:
        """The same without the offset."""
        return matrix_product(self.weight, x.view(self.weight.shape[0], -1), None).view(x.shape)


class GatingUnit(Keeping):
    """Spatial gating unit: u * (mix(LayerNorm(v)) + 1) for the channel halves u, v.

    Eq. 1 of gMLP (arXiv 2105.08050), with the block or grid split of MAXIM. The norm brings the
    tokens of v to the front, so that the mix is a single matrix product; the product with u reads
    its result through a view and so brings them back: neither takes a copy. ``u`` may be gone
    afterwards.
    """

    def __init__(self, channels: int, view: TokenView, bias: bool):
        super().__init__()
        self.view = view
        self.norm = LayerNorm(channels // 2)
        self.mix = SpatialMix(view.size[0] * view.size[1], bias)

    def forward(self, u: Tensor, v: Tensor, window: Pair | None = None) -> Tensor:
        gates = self._gates(v, lambda v: self.view.tokens_first(self.view.split(v, window)))
        u, gates = self.view.split(u, window), self.view.tokens_back(gates)
        gated = torch.addcmul(u, u, gates) if plain_operators(u) else u.addcmul_(u, gates)
        return self.view.joined(gated)

    def _gates(self, v: Tensor, arranged: Arrange) -> Tensor:
        if v.dtype != torch.float32 or plain_operators(v):
            return self.mix(self.norm(v, arranged))
        # The norm's scale and offset are of channels, the mix is of tokens: both commute, and so
        # one pass behind the mix applies all that is not a product.
        mixed = self.mix.product(normalised(v, self.norm.eps, arranged))
        offset = self._once("offset", self._offset)
        offset = offset.view(*self.view.size, *[1] * (mixed.ndim - 3), -1)
        return torch.addcmul(offset, mixed, self.norm.weight, out=mixed)

    def _offset(self) -> Tensor:
        """What mixing makes of the norm's offset, and its own: tokens x C."""
        offset = self.mix.weight.sum(dim=1)[:, None] * self.norm.bias
        return offset if self.mix.bias is None else offset + self.mix.bias[:, None]


class AxisGmlp(nn.Module):
    """gMLP along one axis: x + out_project(gate(gelu(in_project(LayerNorm(x)))))."""

    def __init__(self, channels: int, factor: int, view: TokenView, bias: bool):
        super().__init__()
        self.norm = LayerNorm(channels)
        self.in_project = Dense(channels, factor * channels, bias)
        self.gate = GatingUnit(factor * channels, view, bias)
        self.out_project = Dense(factor * channels // 2, channels, bias)

    def forward(self, x: Tensor, window: Pair | None = None) -> Tensor:
        halves = self.in_project.halves(x, GELU, self.norm)
        return self.out_project(self.gate(*halves, window), plus=x)


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
        half = factor * channels // 2
        self._grid_half, self._block_half = slice(0, half), slice(half, 2 * half)

    def forward(self, x: Tensor, before: Run, walk: Whole = WHOLE) -> Tensor:
        """Of ``before(x)``, which is computed pixel by pixel."""
        window = walk.window(x)
        if walk.in_rows(x):
            rows = (window or self.block.size)[0]
            return walk.rows(lambda s: self._gates(before(s), window), x, multiple=rows)

        def by_blocks(x: Tensor) -> Tensor:
            v = self.in_project(before(x), GELU, norm=self.norm, outputs=self._block_half)
            return self.out_project(_mixed(v, self.block, self.block_mix), inputs=self._block_half)

        def by_grid(x: Tensor, so_far: Tensor) -> Tensor:
            u = self.in_project(before(x), GELU, norm=self.norm, outputs=self._grid_half)
            u = _mixed(u, self.grid, self.grid_mix, walk.window(x))
            return self.out_project(u, plus=so_far, inputs=self._grid_half)

        gates = walk.rows(by_blocks, x, multiple=self.block.size[0])
        return walk.offsets(by_grid, x, gates, cells=self.grid.size[0], into=gates)

    def _gates(self, x: Tensor, window: Pair | None) -> Tensor:
        u, v = self.in_project.halves(x, GELU, self.norm)
        u = _mixed(u, self.grid, self.grid_mix, window)
        v = _mixed(v, self.block, self.block_mix)
        return self.out_project.together((u, v))


def _mixed(x: Tensor, view: TokenView, mix: SpatialMix, window: Pair | None = None) -> Tensor:
    """N x H x W x C in and out: gather tokens, one matrix product, scatter. ``x`` may be gone
    afterwards."""
    split = view.split(x, window)
    mixed = view.tokens_back(mix(view.tokens_first(split).contiguous()))
    if plain_operators(x):
        return view.joined(mixed)
    split.copy_(mixed)  # back to where they came from: no other tensor
    return x
