"""The judge: views of one picture through a shared trunk, joined to figures of the picture."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from restore.networks.base import check_size
from restore.networks.dualvit.network import DualvitStages
from restore.networks.judge.config import FAULTS, JudgeConfig
from restore.networks.maxvit.layers import LAYER_NORM_EPS
from restore.networks.maxvit.network import Stem, stages_of

PLACE, SCENE = 0, 1


class Verdict(NamedTuple):
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
    """The stages of a MaxViT, each of which gives its map."""

    def __init__(self, config: JudgeConfig):
        super().__init__()
        self.stages = stages_of(config.maxvit)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return N x C x h x w of every stage, the first of them half as large as ``x``."""
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


class JudgeNetwork(nn.Module):
    """Judge pictures by P places at full resolution and by the whole scene, reduced."""

    def __init__(self, config: JudgeConfig):
        super().__init__()
        self.config = config
        channels = config.stem + sum(config.channels)
        self.stem = Stem(config.stem)
        self.kinds = nn.Parameter(torch.zeros(2, config.stem))
        """Added to a view, to tell a place from a scene."""
        dual = config.trunk == "dualvit"
        self.stages = DualvitStages(config) if dual else MaxvitStages(config)
        self.norm = nn.LayerNorm(channels, eps=LAYER_NORM_EPS)
        self.of_place = nn.Linear(channels, len(FAULTS))
        self.join = nn.Sequential(nn.Linear(3 * channels, config.hidden), nn.GELU())
        self.of_picture = nn.Linear(config.hidden, 2 * len(FAULTS) + 1)

    def forward(self, places: Tensor, scenes: Tensor) -> Verdict:
        """Judge N pictures.

        Args:
            places: N x P x 3 x `SIDE` x `SIDE`, RGB in [0, 1], P at least 1.
            scenes: N x 3 x `SIDE` x `SIDE`. In training, all views may be smaller.

        Raises:
            SizeError: for views whose sides ``config.maxvit.size_multiple`` does not divide.
        """
        count, each = places.shape[:2]
        views = torch.cat((places.flatten(0, 1), scenes))
        check_size(views, self.config.maxvit.size_multiple)
        kinds = self.kinds.repeat_interleave(views.new_tensor([count * each, count]).long(), dim=0)
        x = self.stem(4 * views - 2) + kinds[:, :, None, None]
        # What is fine shows in the first maps already, what is of the scene in the last.
        features = self.norm(torch.cat([y.mean((2, 3)) for y in (x, *self.stages(x))], dim=1))
        near, whole = features.split((count * each, count))
        near = near.unflatten(0, (count, each))
        joined = self.join(torch.cat((near.mean(1), near.amax(1), whole), dim=1))
        faults, figures = self.of_picture(joined).split((len(FAULTS), len(FAULTS) + 1), dim=1)
        figures = figures.sigmoid()
        return Verdict(faults, figures[:, :-1], figures[:, -1], self.of_place(near))


def initialise(network: JudgeNetwork) -> JudgeNetwork:
    """Make a network that torch has initialised ready to train, in place.

    Half of the filters of the stem lose their mean: they see detail alone, which batch norm then
    amplifies. Noise and blocks are found in a tenth of the steps.
    """
    with torch.no_grad():
        filters = network.stem.conv1.weight[: network.config.stem // 2]
        filters -= filters.mean(dim=(2, 3), keepdim=True)
    return network
