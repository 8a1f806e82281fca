"""Spatial mixing on the same parameters, without copies, in windows and in strips."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from restore.networks.architecture import Pair
from restore.networks.fast.layer_norm import FastLayerNorm, normalised
from restore.networks.fast.layers import FastDense, WeightKeeper
from restore.networks.fast.onednn import GELU, Arrange, matrix_product, usable
from restore.networks.fast.strips import Run, WholeMaps
from restore.networks.fast.windows import joined, split, tokens_back, tokens_first
from restore.networks.maxim.mixing import (
    AxisGmlp,
    GatingUnit,
    MultiAxisGating,
    SpatialMix,
)
from restore.networks.token_views import TokenView


class FastSpatialMix(nn.Module):
    """`SpatialMix` as oneDNN's matrix product."""

    def __init__(self, plain: SpatialMix):
        super().__init__()
        self.weight, self.bias = plain.weight, plain.bias

    def forward(self, x: Tensor) -> Tensor:
        """Mix a contiguous tensor whose first two dimensions are the token rows and columns."""
        flat = x.reshape(self.weight.shape[0], -1)
        return matrix_product(self.weight, flat, self.bias).view(x.shape)

    def product(self, x: Tensor) -> Tensor:
        """The same without the offset."""
        return matrix_product(self.weight, x.view(self.weight.shape[0], -1), None).view(x.shape)


class FastGatingUnit(WeightKeeper):
    """`GatingUnit` of halves that are maps of their own.

    The norm brings the tokens of v to the front, so that the mix is a single matrix product. The
    product with u reads its result through a view, which brings the tokens back. Neither copies.
    """

    def __init__(self, plain: GatingUnit):
        super().__init__()
        self.view = plain.view
        self.norm = FastLayerNorm(plain.norm)
        self.mix = FastSpatialMix(plain.mix)

    def forward(self, u: Tensor, v: Tensor, window: Pair | None = None) -> Tensor:
        """``u`` may be written over."""
        view = self.view
        gates = self._gates(v, lambda v: tokens_first(view, split(view, v, window)))
        u, gates = split(view, u, window), tokens_back(view, gates)
        return joined(u.addcmul_(u, gates) if usable(u) else torch.addcmul(u, u, gates))

    def _gates(self, v: Tensor, arranged: Arrange) -> Tensor:
        if v.dtype != torch.float32 or not usable(v):
            return self.mix(self.norm(v, arranged))
        # The norm's scale and offset belong to channels, the mix to tokens: they commute, and one
        # pass after the mix applies all that is not a product.
        mixed = self.mix.product(normalised(v, self.norm.eps, arranged))
        offset = self._once("offset", self._offset)
        offset = offset.view(*self.view.size, *[1] * (mixed.ndim - 3), -1)
        return torch.addcmul(offset, mixed, self.norm.weight, out=mixed)

    def _offset(self) -> Tensor:
        """Return the mixed offset of the norm, plus that of the mix: tokens x C."""
        offset = self.mix.weight.sum(dim=1)[:, None] * self.norm.bias
        return offset if self.mix.bias is None else offset + self.mix.bias[:, None]


class FastAxisGmlp(nn.Module):
    """`AxisGmlp`; a grid may be confined to windows."""

    def __init__(self, plain: AxisGmlp):
        super().__init__()
        self.norm = FastLayerNorm(plain.norm)
        self.in_project = FastDense(plain.in_project)
        self.gate = FastGatingUnit(plain.gate)
        self.out_project = FastDense(plain.out_project)

    def forward(self, x: Tensor, window: Pair | None = None) -> Tensor:
        halves = self.in_project.halves(x, GELU, self.norm)
        return self.out_project(self.gate(*halves, window), plus=x)


class FastMultiAxisGating(nn.Module):
    """`MultiAxisGating`, in strips or as a whole."""

    def __init__(self, plain: MultiAxisGating):
        super().__init__()
        self.grid, self.block = plain.grid, plain.block
        self.norm = FastLayerNorm(plain.norm)
        self.in_project = FastDense(plain.in_project)
        self.grid_mix = FastSpatialMix(plain.grid_mix)
        self.block_mix = FastSpatialMix(plain.block_mix)
        self.out_project = FastDense(plain.out_project)
        half = self.in_project.weight.shape[0] // 2
        self._grid_half, self._block_half = slice(0, half), slice(half, 2 * half)

    def forward(self, x: Tensor, before: Run, walk: WholeMaps) -> Tensor:
        """Return the gates of ``before(x)``, which is computed pixel by pixel."""
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


def _mixed(x: Tensor, view: TokenView, mix: FastSpatialMix, window: Pair | None = None) -> Tensor:
    """Gather the tokens of a map, mix them, and put them back; ``x`` may be written over."""
    places = split(view, x, window)
    mixed = tokens_back(view, mix(tokens_first(view, places).contiguous()))
    if not usable(x):
        return joined(mixed)
    places.copy_(mixed)  # no other tensor
    return x
