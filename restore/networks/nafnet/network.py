"""NAFNet, the network: images in, restored images out.

Feature maps are N x C x H x W, channels last in memory, where the layer norm needs no copy.
Parameters have the names of the authors' checkpoints.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from restore.networks.base import RestorationNetwork, check_size
from restore.networks.nafnet.config import NafnetConfig

LAYER_NORM_EPS = 1e-6


class LayerNorm2d(nn.LayerNorm):
    """Layer normalisation over the channels of N x C x H x W, eps 1e-6."""

    def __init__(self, channels: int):
        super().__init__(channels, eps=LAYER_NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def simple_gate(x: Tensor) -> Tensor:
    """Multiply the two halves of the channels: the gate that replaces activations (equation 3)."""
    first, second = x.chunk(2, dim=1)
    return first * second


class NafBlock(nn.Module):
    """Convolutions with simplified channel attention, then a feed-forward part (figure 3d).

    ``beta`` and ``gamma`` scale the two residual branches per channel.
    """

    def __init__(self, channels: int):
        super().__init__()
        wide = 2 * channels
        self.norm1 = LayerNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, wide, 1)
        self.conv2 = nn.Conv2d(wide, wide, 3, padding=1, groups=wide)
        self.sca = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, channels, 1))
        self.conv3 = nn.Conv2d(channels, channels, 1)
        self.norm2 = LayerNorm2d(channels)
        self.conv4 = nn.Conv2d(channels, wide, 1)
        self.conv5 = nn.Conv2d(channels, channels, 1)
        self.beta = nn.Parameter(torch.empty(1, channels, 1, 1))
        self.gamma = nn.Parameter(torch.empty(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        y = simple_gate(self.conv2(self.conv1(self.norm1(x))))
        x = x + self.beta * self.conv3(y * self.sca(y))
        y = simple_gate(self.conv4(self.norm2(x)))
        return x + self.gamma * self.conv5(y)


class Nafnet(RestorationNetwork):
    """NAFNet of any configuration (arXiv 2204.04676): a U-Net of `NafBlock`, plus the input."""

    def __init__(self, config: NafnetConfig):
        super().__init__()
        self.config: NafnetConfig = config
        width, levels = config.width, len(config.enc_blk_nums)
        widths = [width * 2**level for level in range(levels)]
        self.intro = nn.Conv2d(3, width, 3, padding=1)
        self.encoders = nn.ModuleList(
            _blocks(c, count) for c, count in zip(widths, config.enc_blk_nums, strict=True)
        )
        self.downs = nn.ModuleList(nn.Conv2d(c, 2 * c, 2, stride=2) for c in widths)
        self.middle_blks = _blocks(width * 2**levels, config.middle_blk_num)
        self.ups = nn.ModuleList(_up(2 * c) for c in reversed(widths))
        self.decoders = nn.ModuleList(
            _blocks(c, count)
            for c, count in zip(reversed(widths), config.dec_blk_nums, strict=True)
        )
        self.ending = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        check_size(x, self.config.size_multiple)
        image = x.contiguous(memory_format=torch.channels_last)
        x = self.intro(image.to(self.intro.weight.dtype))
        skips = []
        for encoder, down in zip(self.encoders, self.downs, strict=True):
            x = encoder(x)
            skips.append(x)
            x = down(x)
        x = self.middle_blks(x)
        for decoder, up in zip(self.decoders, self.ups, strict=True):
            x = decoder(up(x) + skips.pop())
        return image + self.ending(x)

    def outputs(self, x: Tensor) -> list[list[Tensor]]:
        return [[self(x)]]


def _blocks(channels: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(NafBlock(channels) for _ in range(count)))


def _up(channels: int) -> nn.Sequential:
    """Double the resolution and halve the channels."""
    return nn.Sequential(nn.Conv2d(channels, 2 * channels, 1, bias=False), nn.PixelShuffle(2))


def initialise(network: Nafnet, generator: torch.Generator, quiet_branches: bool = True) -> None:
    """Draw fresh weights in place: torch's own initialisation of convolutions, norms at identity.

    ``quiet_branches``: ``beta`` and ``gamma`` start at 0, as in the paper, and the last convolution
    too, so that training begins at the identity. Otherwise ``beta`` and ``gamma`` start at 1.
    """
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                bound = 1 / math.sqrt(module.weight[0].numel())
                module.weight.uniform_(-bound, bound, generator=generator)
                if module.bias is not None:
                    module.bias.uniform_(-bound, bound, generator=generator)
            elif isinstance(module, LayerNorm2d):
                module.weight.fill_(1)
                module.bias.zero_()
            elif isinstance(module, NafBlock):
                for scale in (module.beta, module.gamma):
                    scale.fill_(0 if quiet_branches else 1)
        if quiet_branches:
            network.ending.weight.zero_()
            if network.ending.bias is not None:
                network.ending.bias.zero_()
