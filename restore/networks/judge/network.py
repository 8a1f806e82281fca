"""The judge: views of one picture through a shared trunk, joined to figures of the picture."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restore.networks.base import check_size
from restore.networks.dualvit.network import DualvitStages
from restore.networks.judge.config import FAULTS, SIDE, JudgeConfig
from restore.networks.judge.statistics import Statistics
from restore.networks.maxvit.layers import LAYER_NORM_EPS
from restore.networks.maxvit.network import Stem, stages_of

PLACE, SCENE = 0, 1
SEEN = SIDE // 2
"""Side of what the trunk sees at once."""
FARTHEST = 5.0
"""Deviations at which a statistic is cut."""


class JudgeOutput(NamedTuple):
    """Outputs for N pictures of P places; faults are in the order of `FAULTS`."""

    faults: Tensor
    """Logits, N x faults."""
    severities: Tensor
    """In [0, 1], N x faults."""
    quality: Tensor
    """Structural similarity to the healthy picture, in [0, 1]: N."""
    places: Tensor
    """Logits of every place, N x P x faults."""


class MaxvitStages(nn.Module):
    """Stages of a MaxViT; returns the map of every stage."""

    def __init__(self, config: JudgeConfig):
        super().__init__()
        self.stages = stages_of(config.maxvit)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return N x C x h x w of every stage, the first of them half as large as ``x``."""
        maps: list[Tensor] = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


class Trunk(nn.Module):
    """Learned features of views: the means of all maps."""

    def __init__(self, config: JudgeConfig):
        super().__init__()
        self.count = config.stem + sum(config.channels)
        self.multiple = config.maxvit.size_multiple
        self.stem = Stem(config.stem)
        self.kinds = nn.Parameter(torch.zeros(2, config.stem))
        """Added to a view, to tell a place from a scene."""
        dual = config.trunk == "dualvit"
        self.stages = DualvitStages(config) if dual else MaxvitStages(config)
        self.norm = nn.LayerNorm(self.count, eps=LAYER_NORM_EPS)

    def forward(self, views: Tensor, kind: int) -> Tensor:
        """Return N x ``count`` of views that are all a `PLACE` or all a `SCENE`."""
        check_size(views, self.multiple)
        x = self.stem(4 * views - 2) + self.kinds[kind, :, None, None]
        # What is fine shows in the first maps already, what is of the scene in the last.
        return self.norm(torch.cat([y.mean((2, 3)) for y in (x, *self.stages(x))], dim=1))


class JudgeNetwork(nn.Module):
    """Judge pictures by P places at full resolution and by the whole scene, reduced.

    Each view has learned features and computed statistics; one layer joins them, another joins the
    mean and the maximum over places with the scene.
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, config: JudgeConfig):
        super().__init__()
        self.config = config
        self.trunk = Trunk(config)
        self.statistics = Statistics()
        self.register_buffer("centre", torch.zeros(2, self.statistics.count))
        self.register_buffer("spread", torch.ones(2, self.statistics.count))
        wide = self.trunk.count + self.statistics.count
        hidden = config.hidden
        self.embed = nn.ModuleList(
            nn.Sequential(nn.Dropout(config.dropout), nn.Linear(wide, hidden), nn.GELU())
            for _ in (PLACE, SCENE)
        )
        self.of_place = nn.Linear(hidden, len(FAULTS))
        self.join = nn.Sequential(
            nn.Dropout(config.dropout), nn.Linear(3 * hidden, hidden), nn.GELU()
        )
        self.of_picture = nn.Linear(hidden, 2 * len(FAULTS) + 1)

    def forward(self, places: Tensor, scenes: Tensor) -> JudgeOutput:
        """Judge N pictures.

        Args:
            places: N x P x 3 x `SIDE` x `SIDE`, RGB in [0, 1], P at least 1.
            scenes: N x 3 x `SIDE` x `SIDE`.

        Raises:
            SizeError: for views of another size.
        """
        near = self.features(places.flatten(0, 1), PLACE).unflatten(0, places.shape[:2])
        return self.decide(near, self.features(scenes, SCENE))

    def features(self, views: Tensor, kind: int) -> Tensor:
        """Return N x features of views, which decisions rest on. Raises `SizeError`."""
        check_size(views, (SIDE, SIDE))
        return self.joined(self.learned(views, kind), self.statistics(views), kind)

    def learned(self, views: Tensor, kind: int) -> Tensor:
        """The trunk's share of the features, which sees squares of `SEEN` pixels: the middle of a
        place, or all of a scene at half its size."""
        if kind == SCENE:
            return self.trunk(F.avg_pool2d(views, SIDE // SEEN), kind)
        edge = (SIDE - SEEN) // 2
        return self.trunk(views[:, :, edge:-edge, edge:-edge], kind)

    def joined(self, learned: Tensor, statistics: Tensor, kind: int) -> Tensor:
        """Join ... x learned features and ... x statistics, brought to a common range, in which odd
        pictures stay near others."""
        apart = (statistics - self.centre[kind]) / self.spread[kind]
        return torch.cat((learned, apart.clamp(-FARTHEST, FARTHEST)), dim=-1)

    def decide(self, near: Tensor, whole: Tensor) -> JudgeOutput:
        """Judge by the features of N x P places and of N scenes."""
        places, scenes = self.embed[PLACE](near), self.embed[SCENE](whole)
        joined = self.join(torch.cat((places.mean(1), places.amax(1), scenes), dim=1))
        faults, figures = self.of_picture(joined).split((len(FAULTS), len(FAULTS) + 1), dim=1)
        figures = figures.sigmoid()
        return JudgeOutput(faults, figures[:, :-1], figures[:, -1], self.of_place(places))


def initialise(network: JudgeNetwork) -> JudgeNetwork:
    """Make a network that torch has initialised ready to train, in place.

    Half of the filters of the stem lose their mean: they see detail alone, which batch norm then
    amplifies.
    """
    with torch.no_grad():
        filters = network.trunk.stem.conv1.weight[: network.config.stem // 2]
        filters -= filters.mean(dim=(2, 3), keepdim=True)
    return network
