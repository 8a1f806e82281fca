"""MAXIM, the network: images in, restored images out."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restore.networks.base import RestorationNetwork, check_size, nearest_shrink
from restore.networks.maxim.config import MaximConfig
from restore.networks.maxim.layers import to_channels_first, to_channels_last
from restore.networks.maxim.stage import Stage, StageFeatures


class Maxim(RestorationNetwork):
    """MAXIM of any configuration (arXiv 2201.02973, figure 2)."""

    def __init__(self, config: MaximConfig):
        super().__init__()
        self.config: MaximConfig = config
        self.stages = nn.ModuleList(Stage(config, s) for s in range(config.num_stages))

    def forward(self, x: Tensor) -> Tensor:
        images = scaled_pixels(x, self.config)
        features: StageFeatures | None = None
        for stage in self.stages:
            features = stage(images, features)
        assert features is not None
        return image_from_pixels(features.images[0], self.config)

    def outputs(self, x: Tensor) -> list[list[Tensor]]:
        images = scaled_pixels(x, self.config)
        done: list[StageFeatures] = []
        for stage in self.stages:
            previous = done[-1] if done else None
            done.append(stage(images, previous, scales=self.config.num_supervision_scales))
        return [[image_from_pixels(y, self.config) for y in s.images[::-1]] for s in done]

    def _shortened(self, count: int) -> Maxim:
        with torch.device("meta"):
            shorter = Maxim(replace(self.config, num_stages=count))
        state = self.state_dict()
        for name in shorter.state_dict():
            if ".output_convs." in name and name not in state:
                # The attention module makes the image of a stage that others follow.
                attention, leaf = name.replace("output_convs", "attentions").rsplit(".", 1)
                state[name] = state[f"{attention}.conv_image.{leaf}"]
        kept = {name: state[name] for name in shorter.state_dict()}
        shorter.load_state_dict(kept, assign=True)
        trains = any(parameter.requires_grad for parameter in self.parameters())
        return shorter.requires_grad_(trains).train(self.training)


def scaled_pixels(x: Tensor, config: MaximConfig) -> list[Tensor]:
    """Turn N x 3 x H x W images into N x H/r x W/r x 3 r**2, contiguous, for every supervised
    scale; r is the stem factor. Raises `SizeError`."""
    check_size(x, config.size_multiple)
    images = []
    for scale in range(config.num_supervision_scales):
        image = nearest_shrink(x, scale)
        if config.stem_factor > 1:
            image = F.pixel_unshuffle(image, config.stem_factor)
        images.append(to_channels_last(image).contiguous())
    return images


def image_from_pixels(x: Tensor, config: MaximConfig) -> Tensor:
    """Turn N x h x w x (C * r**2) into N x C x H x W; r is the stem factor."""
    x = to_channels_first(x)
    return F.pixel_shuffle(x, config.stem_factor) if config.stem_factor > 1 else x
