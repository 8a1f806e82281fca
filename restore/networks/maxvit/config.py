"""The shape of a MaxViT.

Source: "MaxViT: Multi-Axis Vision Transformer", ECCV 2022 (arXiv 2204.01697), table 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from restore.errors import ConfigError
from restore.networks.architecture import Pair


@dataclass(frozen=True)
class MaxvitConfig:
    """Every choice that shapes a `Maxvit`; the defaults are MaxViT-T for 224 x 224 pixels.

    Raises `ConfigError` for a shape that no network can have.
    """

    stem: int = 64
    """Channels after the stem, at half the resolution."""
    channels: tuple[int, ...] = (64, 128, 256, 512)
    """Channels of every stage; each halves the resolution."""
    depths: tuple[int, ...] = (2, 2, 5, 2)
    """Blocks of every stage."""
    block: int = 7
    """Side of the windows of block attention, in pixels of the feature map."""
    grid: int = 7
    """Cells of grid attention, down and across."""
    head: int = 32
    """Channels of every attention head."""
    expansion: int = 4
    """Width of MBConv's and of the feed-forward layers' middle, relative to their output."""
    hidden: int = 512
    """Channels of the classifier's hidden layer."""
    outputs: int = 1000

    def __post_init__(self) -> None:
        if len(self.channels) != len(self.depths) or not self.depths:
            raise ConfigError(f"depths is {self.depths}; it must be as long as channels")
        if any(channels % self.head for channels in self.channels):
            raise ConfigError(f"channels is {self.channels}; heads have {self.head} each")

    @property
    def size_multiple(self) -> Pair:
        """Height and width of an input must be multiples of these, in pixels: in every stage, both
        splits come out even."""
        side = 2 ** (len(self.depths) + 1) * math.lcm(self.block, self.grid)
        return side, side


VARIANTS: Mapping[str, MaxvitConfig] = {
    "maxvit-tiny": MaxvitConfig(),
    "maxvit-small": MaxvitConfig(channels=(96, 192, 384, 768), hidden=768),
    "maxvit-base": MaxvitConfig(channels=(96, 192, 384, 768), depths=(2, 6, 14, 2), hidden=768),
}
"""The published shapes for 224 x 224 pixels."""
