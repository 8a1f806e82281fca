"""One stage of MAXIM: a U-Net whose skips are gated across all its levels (figure 2a)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from restore.networks.maxim.blocks import (
    BottleneckBlock,
    ConvFusion,
    CrossGatingBlock,
    DecoderBlock,
    EncoderBlock,
    SupervisedAttention,
)
from restore.networks.maxim.config import MaximConfig
from restore.networks.maxim.layers import Conv, Dense, Resample


@dataclass(frozen=True)
class StageFeatures:
    """The result of a stage. Lists are indexed by level or scale, 0 = finest.

    ``attended`` are the features that the next stage reads, empty after the last one. ``images``
    are the supervised images, image i at 1 / 2**i of the resolution.
    """

    encoded: list[Tensor]
    decoded: list[Tensor]
    attended: list[Tensor]
    images: list[Tensor]


class Gather(nn.Module):
    """Features of several levels, brought to one level, in the order given."""

    def __init__(self, config: MaximConfig, sources: Sequence[int], level: int):
        super().__init__()
        width = config.width(level)
        self.at_level = list(sources).index(level)
        self.resamples = nn.ModuleList(
            Resample(config.width(j), width, j - level, config.use_bias) for j in sources
        )

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        return [resample(x) for resample, x in zip(self.resamples, features, strict=True)]


class Stage(nn.Module):
    """``index`` 0 reads the images alone; later stages also read the one before."""

    def __init__(self, config: MaximConfig, index: int):
        super().__init__()
        self.config = config
        self.first = index == 0
        self.last = index == config.num_stages - 1
        bias = config.use_bias
        scales = range(config.num_supervision_scales)
        levels = range(config.depth)
        upward = levels[::-1]
        pixels = 3 * config.stem_factor**2

        self.input_convs = nn.ModuleList(Conv(pixels, config.width(i), bias) for i in scales)
        self.input_fusions = nn.ModuleList(
            () if self.first else (_input_fusion(config, i) for i in scales)
        )
        self.encoders = nn.ModuleList(
            EncoderBlock(config, i, self._encoder_input(i), fuse=not self.first) for i in levels
        )
        self.bottleneck = nn.Sequential(
            *(BottleneckBlock(config) for _ in range(config.num_bottleneck_blocks))
        )
        self.bridge_gathers = nn.ModuleList(Gather(config, levels, i) for i in levels)
        self.skip_gathers = nn.ModuleList(Gather(config, upward, i) for i in levels)
        self.skip_fusions = nn.ModuleList(self._skip_fusion(i) for i in levels)
        self.decoders = nn.ModuleList(
            DecoderBlock(config, i, _width_below(config, i), config.depth * config.width(i))
            for i in levels
        )
        self.attentions = nn.ModuleList(
            () if self.last else (SupervisedAttention(config, i) for i in scales)
        )
        outputs = config.num_outputs * config.stem_factor**2
        self.output_convs = nn.ModuleList(
            (Conv(config.width(i), outputs, bias) for i in scales) if self.last else ()
        )

    def forward(
        self, images: Sequence[Tensor], previous: StageFeatures | None = None, scales: int = 1
    ) -> StageFeatures:
        """``images``: N x h x w x (3 * stem_factor**2) for every supervised scale.

        ``scales`` limits the images that the last stage makes, from the finest.
        """
        inputs = self._read(images, previous)
        encoded, below = self._encode(inputs, previous)
        below = self.bottleneck(below)
        skips = self._gate_skips(encoded, below)
        decoded = self._decode(skips, below)
        attended, restored = self._supervise(decoded, images, scales)
        return StageFeatures(encoded, decoded, attended, restored)

    def _read(self, images: Sequence[Tensor], previous: StageFeatures | None) -> list[Tensor]:
        # Images stay in the caller's precision, so that the result is rounded once, at its end.
        dtype = next(self.parameters()).dtype
        inputs = [conv(x.to(dtype)) for conv, x in zip(self.input_convs, images, strict=True)]
        if previous is None:
            return inputs
        levels = zip(self.input_fusions, inputs, previous.attended, strict=True)
        return [_fused(fusion, x, attended) for fusion, x, attended in levels]

    def _encode(
        self, inputs: list[Tensor], previous: StageFeatures | None
    ) -> tuple[list[Tensor], Tensor]:
        """Return the features of every level, and the input of the bottleneck."""
        below, encoded = inputs[0], []
        for i, encoder in enumerate(self.encoders):
            before = None if previous is None else previous.encoded[i] + previous.decoded[i]
            below, features = encoder(below, inputs[i : i + 1], before)
            encoded.append(features)
        return encoded, below

    def _gate_skips(self, encoded: list[Tensor], gating: Tensor) -> list[Tensor]:
        """Gate the bridges from the bottleneck upwards; the deepest level comes first."""
        skips = []
        for i in reversed(range(self.config.depth)):
            signal = torch.cat(self.bridge_gathers[i](encoded), dim=-1)
            if self.config.use_cross_gating:
                skip, gating = self.skip_fusions[i](signal, gating)
            else:
                skip = self.skip_fusions[i](signal)
            skips.append(skip)
        return skips

    def _decode(self, skips: list[Tensor], below: Tensor) -> list[Tensor]:
        decoded: list[Tensor] = []
        for i in reversed(range(self.config.depth)):
            below = self.decoders[i](below, self.skip_gathers[i](skips))
            decoded.insert(0, below)
        return decoded

    def _supervise(
        self, decoded: list[Tensor], images: Sequence[Tensor], scales: int
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return the features for the next stage, and the supervised images."""
        if not self.last:
            levels = zip(self.attentions, decoded, images, strict=False)
            pairs = [attention(features, image) for attention, features, image in levels]
            return [features for features, _ in pairs], [image for _, image in pairs]
        restored = [self.output_convs[i](decoded[i]) for i in range(scales)]
        if self.config.num_outputs == 3:
            restored = [x + image for x, image in zip(restored, images, strict=False)]
        return [], restored

    def _encoder_input(self, level: int) -> int:
        config = self.config
        # Level 0 receives the first scale both as its input and as its skip.
        from_above = config.width(level - 1) if level else config.width(0)
        has_scale = level < config.num_supervision_scales
        return from_above + (config.width(level) if has_scale else 0)

    def _skip_fusion(self, level: int) -> nn.Module:
        config = self.config
        channels = config.depth * config.width(level)
        if not config.use_cross_gating:
            return ConvFusion(config, level, channels)
        return CrossGatingBlock(config, level, channels, _width_below(config, level), y_below=True)


def _fused(fusion: nn.Module, x: Tensor, attended: Tensor) -> Tensor:
    if isinstance(fusion, CrossGatingBlock):
        return fusion(x, attended)[0]
    return fusion(torch.cat((x, attended), dim=-1))


def _input_fusion(config: MaximConfig, level: int) -> nn.Module:
    width = config.width(level)
    if config.use_cross_gating:
        return CrossGatingBlock(config, level, width, width, y_below=False)
    return Dense(2 * width, width, config.use_bias)


def _width_below(config: MaximConfig, level: int) -> int:
    # Below the last level lies the bottleneck, as wide as that level.
    return config.width(min(level + 1, config.depth - 1))
