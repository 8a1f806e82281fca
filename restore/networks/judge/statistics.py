"""Statistics of a view that tell faults apart, from the literature: computed, not learned.

They are what a network of this size would need many more pictures to find. Views are
N x 3 x H x W in [0, 1], H and W multiples of 32; every function returns N x some numbers.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BLOCK = 8
CELL = 32
"""Side of the cells whose direction is measured."""
PATCH = 15
"""Side of the neighbourhoods of the dark channel."""
_FLOOR = 0.05
"""Added to energies before a logarithm; rounding to 8 bits makes 0.08."""
LUMA = (0.299, 0.587, 0.114)
_TO_YCC = (LUMA, (-0.1687, -0.3313, 0.5), (0.5, -0.4187, -0.0813))
_QUANTILES = (0.05, 0.2, 0.5, 0.8, 0.95)


class Statistics(nn.Module):
    """All statistics of views, N x `count`; no parameters."""

    basis: Tensor
    to_ycc: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("basis", _dct_filters(), persistent=False)
        self.register_buffer("to_ycc", torch.tensor(_TO_YCC)[:, :, None, None], persistent=False)
        with torch.no_grad():
            self.count = self(torch.zeros(1, 3, 64, 64)).shape[1]

    def forward(self, views: Tensor) -> Tensor:
        """Measure views."""
        ycc = F.conv2d(255 * views, self.to_ycc)
        half = F.avg_pool2d(ycc, 2)
        luma, small = ycc[:, :1], half[:, :1]
        parts = [
            *self._spectrum(luma),
            *self._spectrum(small),
            *self._chroma(ycc),
            *self._chroma(half),
            *sharpness(luma, small),
            *blockiness(luma),
            *directions(255 * views.amin(1, keepdim=True)),
            *light(views, luma),
        ]
        return torch.cat(parts, dim=1)

    def _bands(self, plane: Tensor) -> tuple[Tensor, ...]:
        """Mean energy of low, middle and high frequencies, of those across and of those down:
        N x blocks each."""
        energy = F.conv2d(plane, self.basis, stride=BLOCK).square().flatten(2)
        u, v = (index.flatten() for index in torch.meshgrid(*(torch.arange(8),) * 2, indexing="ij"))
        chosen = (
            ((u + v) >= 1) & ((u + v) <= 2),
            ((u + v) >= 3) & ((u + v) <= 6),
            (u + v) >= 7,
            (u <= 1) & (v >= 3),
            (v <= 1) & (u >= 3),
        )
        return tuple(energy[:, band].mean(1) for band in chosen)

    def _spectrum(self, plane: Tensor) -> list[Tensor]:
        """Bands over all blocks, and in the blocks with the least low frequencies, where noise is
        alone (Ponomarenko et al., IGARSS 2007)."""
        low, middle, high, across, down = self._bands(plane)
        logs = [(band + _FLOOR).log() for band in (low, middle, high, across, down)]
        smooth = low.argsort(dim=1)[:, : max(2, low.shape[1] // 16)]
        calm = [log.gather(1, smooth).mean(1, keepdim=True) for log in logs]
        empty = (high < _FLOOR).float().mean(1, keepdim=True)
        differences = [logs[2] - logs[1], logs[1] - logs[0], logs[3] - logs[4]]
        return [*(quantiles(x) for x in (*logs[:3], *differences)), *calm, empty]

    def _chroma(self, ycc: Tensor) -> list[Tensor]:
        """High frequencies of both colour differences."""
        return [quantiles((self._bands(ycc[:, i : i + 1])[2] + _FLOOR).log()) for i in (1, 2)]


def sharpness(luma: Tensor, half: Tensor) -> list[Tensor]:
    """Steepest steps at both scales and their ratio: blurred edges are as steep at half size."""
    found: list[Tensor] = []
    for axis in (2, 3):
        full, small, twice = (
            _some(x, axis).diff(n=order, dim=axis).abs().flatten(1)
            for x, order in ((luma, 1), (half, 1), (luma, 2))
        )
        steep = (0.5, 0.9, 0.98, 0.998)
        full, small, second = (
            quantiles(full, steep),
            quantiles(small, steep),
            quantiles(twice, steep[1:]),
        )
        logs = [(x + 0.5).log() for x in (full, small, second)]
        found += [*logs, logs[0] - logs[1], logs[2] - logs[0][:, 1:]]
    return found


def blockiness(luma: Tensor) -> list[Tensor]:
    """Steps at every eighth pixel over the others, where blocks begin with the view and at the
    worst place (Wang, Sheikh and Bovik, ICIP 2002)."""
    found: list[Tensor] = []
    for axis in (2, 3):
        steps = luma.diff(dim=axis).abs().mean(dim=(1, 5 - axis))  # N x places
        phases = F.pad(steps, (0, 1), value=math.nan).unflatten(1, (-1, BLOCK)).nanmean(1)
        logs = ((phases + 0.25) / (phases.mean(1, keepdim=True) + 0.25)).log()
        found += [logs[:, -1:], logs.amax(1, keepdim=True)]
    return found


def directions(least: Tensor) -> list[Tensor]:
    """How much of the detail runs in one direction, cell by cell; rain does so everywhere.

    Structure tensors (Bigun and Granlund, ICCV 1987) of the least channel, N x 1 x H x W, to which
    streaks only add light (Garg and Nayar, IJCV 2007), without its coarse part.
    """
    fine = least - F.avg_pool2d(least, 7, 1, 3, count_include_pad=False)
    fine = F.avg_pool2d(fine, 3, 1, 1, count_include_pad=False)
    dx, dy = (
        fine[:, :, 1:-1, 2:] - fine[:, :, 1:-1, :-2],
        fine[:, :, 2:, 1:-1] - fine[:, :, :-2, 1:-1],
    )
    xx, yy, xy = (
        F.avg_pool2d(F.pad(p, (1, 1, 1, 1)), CELL).flatten(1) for p in (dx * dx, dy * dy, dx * dy)
    )
    energy = xx + yy + 1
    real, imaginary = (xx - yy) / energy, 2 * xy / energy
    mean = torch.stack((real.mean(1), imaginary.mean(1)), dim=1)
    length = mean.norm(dim=1, keepdim=True)
    axis = mean / length.clamp(min=1e-4)
    agreement = real * axis[:, :1] + imaginary * axis[:, 1:]
    moments = [(fine.clamp(min=0) ** 2).mean((1, 2, 3)), (fine.clamp(max=0) ** 2).mean((1, 2, 3))]
    skewed = ((moments[0] + 1).log() - (moments[1] + 1).log())[:, None]
    few = (0.1, 0.3, 0.6)
    return [mean, length, skewed, *(quantiles(x, few) for x in (agreement, real, energy.log()))]


def light(views: Tensor, luma: Tensor) -> list[Tensor]:
    """Luma, colourfulness, local contrast, and the dark channel (He et al., CVPR 2009, eq. 5)."""
    many = (0.005, 0.05, 0.25, 0.5, 0.75, 0.95, 0.995)
    least, most = views.amin(1, keepdim=True), views.amax(1, keepdim=True)
    dark = -F.max_pool2d(-least, PATCH, stride=4)
    tones = quantiles(luma[:, :, ::4, ::4].flatten(1) / 255, many)
    mean = F.avg_pool2d(luma, 16)
    contrast = (F.avg_pool2d(luma**2, 16) - mean**2).clamp(min=0).sqrt().flatten(1)
    saturation = ((most - least) / (most + 0.05))[:, :, ::4, ::4].flatten(1)
    return [
        tones,
        (tones + 0.02).log(),
        quantiles(dark.flatten(1), many),
        quantiles(saturation, _QUANTILES),
        quantiles((contrast + 0.5).log(), _QUANTILES),
        (views >= 250 / 255).float().mean((2, 3)),
    ]


def _some(plane: Tensor, axis: int) -> Tensor:
    """Every second line along an axis: quantiles are what costs."""
    return plane[:, :, :, ::2] if axis == 2 else plane[:, :, ::2]


def quantiles(values: Tensor, at: tuple[float, ...] = _QUANTILES) -> Tensor:
    """N x places -> N x quantiles, each that of the nearest rank."""
    ranks = [round(q * (values.shape[1] - 1)) + 1 for q in at]
    return torch.stack([values.kthvalue(rank, dim=1).values for rank in ranks], dim=1)


def _dct_filters() -> Tensor:
    """Orthonormal DCT-II of blocks, 64 x 1 x 8 x 8."""
    places = torch.arange(BLOCK) + 0.5
    basis = torch.cos(torch.outer(torch.arange(BLOCK), places) * math.pi / BLOCK)
    basis = basis * math.sqrt(2 / BLOCK)
    basis[0] /= math.sqrt(2)
    return torch.einsum("ux,vy->uvxy", basis, basis).reshape(-1, 1, BLOCK, BLOCK)
