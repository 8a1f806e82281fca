"""The judge: views of one picture through a shared trunk, joined to figures of the picture."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restore.networks.base import check_size
from restore.networks.dualvit.network import DualvitStages
from restore.networks.judge import responses
from restore.networks.judge.config import FAULTS, SIDE, JudgeConfig
from restore.networks.judge.responses import Restore
from restore.networks.judge.statistics import Statistics
from restore.networks.maxvit.layers import LAYER_NORM_EPS
from restore.networks.maxvit.network import Stem, stages_of

PLACE, SCENE = 0, 1
SEEN = SIDE // 2
"""Side of what the trunk and the heads see at once."""
FARTHEST = 5.0
"""Deviations at which a measured feature is cut."""


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


class AskedHeads(NamedTuple):
    """The restoration networks of ``JudgeConfig.place_models`` and ``scene_models``, as functions
    of N x 3 x `SEEN` x `SEEN` in [0, 1]."""

    of_places: tuple[Restore, ...] = ()
    of_scenes: tuple[Restore, ...] = ()


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

    Each view has learned features and measured ones: statistics, and what heads change in it. One
    layer joins them, another joins the mean and the maximum over places with the scene.
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, config: JudgeConfig):
        super().__init__()
        self.config = config
        self.trunk = Trunk(config)
        self.statistics = Statistics()
        measured = self.statistics.count + responses.COUNT * len(config.place_models)
        self.register_buffer("centre", torch.zeros(2, measured))
        self.register_buffer("spread", torch.ones(2, measured))
        wide = self.trunk.count + measured
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

    def forward(self, places: Tensor, scenes: Tensor, heads: AskedHeads) -> JudgeOutput:
        """Judge N pictures.

        Args:
            places: N x P x 3 x `SIDE` x `SIDE`, RGB in [0, 1], P at least 1.
            scenes: N x 3 x `SIDE` x `SIDE`.
            heads: the networks that ``config`` names.

        Raises:
            SizeError: for views of another size.
        """
        flat = places.flatten(0, 1)
        for views in (flat, scenes):
            check_size(views, (SIDE, SIDE))
        apart = places.shape[:2]
        near = self.statistics(flat).unflatten(0, apart), self.ask_places(places, heads)
        whole = self.statistics(scenes), self.ask_scenes(scenes, heads)
        learned = self.learned(flat, PLACE).unflatten(0, apart)
        return self.decide(
            self.joined(learned, torch.cat(near, dim=-1), PLACE),
            self.joined(self.learned(scenes, SCENE), torch.cat(whole, dim=-1), SCENE),
        )

    def learned(self, views: Tensor, kind: int) -> Tensor:
        """Return the trunk's features of N x 3 x `SIDE` x `SIDE`."""
        return self.trunk(_seen(views, kind), kind)

    def ask_places(self, places: Tensor, heads: AskedHeads) -> Tensor:
        """Ask heads about N x P places: N x P x numbers."""
        seen = _seen(places.flatten(0, 1), PLACE).unflatten(0, places.shape[:2])
        return responses.of_places(seen, heads.of_places, self.config.places_asked)

    def ask_scenes(self, scenes: Tensor, heads: AskedHeads) -> Tensor:
        """Ask heads about N scenes: N x numbers."""
        return responses.of_scenes(_seen(scenes, SCENE), heads.of_scenes)

    def joined(self, learned: Tensor, measured: Tensor, kind: int) -> Tensor:
        """Join ... x learned features with ... x statistics and responses, these brought to a
        common range, in which odd pictures stay near others."""
        apart = (measured - self.centre[kind]) / self.spread[kind]
        return torch.cat((learned, apart.clamp(-FARTHEST, FARTHEST)), dim=-1)

    def decide(self, near: Tensor, whole: Tensor) -> JudgeOutput:
        """Judge by the features of N x P places and of N scenes."""
        places, scenes = self.embed[PLACE](near), self.embed[SCENE](whole)
        joined = self.join(torch.cat((places.mean(1), places.amax(1), scenes), dim=1))
        faults, figures = self.of_picture(joined).split((len(FAULTS), len(FAULTS) + 1), dim=1)
        figures = figures.sigmoid()
        return JudgeOutput(faults, figures[:, :-1], figures[:, -1], self.of_place(places))


def _seen(views: Tensor, kind: int) -> Tensor:
    """What networks see of views, `SEEN` pixels a side: the middle of a place, or all of a scene at
    half its size."""
    if kind == SCENE:
        return F.avg_pool2d(views, SIDE // SEEN)
    edge = (SIDE - SEEN) // 2
    return views[:, :, edge:-edge, edge:-edge]


def initialise(network: JudgeNetwork) -> JudgeNetwork:
    """Make a network that torch has initialised ready to train, in place.

    Half of the filters of the stem lose their mean: they see detail alone, which batch norm then
    amplifies.
    """
    with torch.no_grad():
        filters = network.trunk.stem.conv1.weight[: network.config.stem // 2]
        filters -= filters.mean(dim=(2, 3), keepdim=True)
    return network
