"""One stage of MAXIM: a U-Net whose skips are gated across all its levels (figure 2a)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from restore.network.blocks import (
    BottleneckBlock,
    ConvFusion,
    CrossGatingBlock,
    DecoderBlock,
    EncoderBlock,
    SupervisedAttention,
)
from restore.network.config import MaximConfig
from restore.network.layers import Conv, Dense, Resample
from restore.network.strips import WHOLE, Parts, Whole


@dataclass
class StageFeatures:
    """What a stage hands to the next; lists are indexed by level, 0 = finest.

    ``sums`` are of what encoder and decoder made. ``images`` are the supervised pictures (level i
    at 1 / 2**i of the resolution), as far as they were asked for.
    """

    sums: list[Tensor]
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

    def forward(self, features: Sequence[Tensor]) -> Parts:
        return Parts(list(features), self._resampled, 1, features[self.at_level].shape[1])

    def _resampled(self, *features: Tensor) -> list[Tensor]:
        pairs = zip(self.resamples, features, strict=True)
        return [resample(x) for resample, x in pairs]


class Stage(nn.Module):
    """``index`` 0 reads the pictures alone; later stages also read the one before."""

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

    def forward(
        self,
        pictures: list[Tensor],
        previous: StageFeatures | None,
        finest_only: bool,
        walk: Whole = WHOLE,
    ) -> StageFeatures:
        """``pictures``: N x h x w x 3 (times stem_factor squared) per supervised scale.

        ``finest_only`` asks for no image but the last stage's finest. The features of ``previous``
        are taken out of it.
        """
        # Pictures stay in the caller's precision, so that the result is rounded once, at its end.
        dtype = next(self.parameters()).dtype
        inputs: list[Tensor] = []
        for i, conv in enumerate(self.input_convs):
            parts = Parts([pictures[i].to(dtype)], lambda picture, conv=conv: [conv(picture)], 1)
            if previous is None:
                inputs.append(parts.through(_only, walk))
            else:
                other = Parts([previous.attended.pop(0)])
                inputs.append(self._fuse(i, parts, other, walk))

        maps, encoded = inputs[:1], []
        for encoder in self.encoders:
            maps += inputs[:1]
            del inputs[:1]
            before = None if previous is None else Parts([previous.sums.pop(0)])
            below, features = encoder(Parts(maps), before, walk)
            maps.append(below)
            encoded.append(features)
        below = maps.pop()
        for block in self.bottleneck:
            below = block(below, walk)
        skips = self._gate_skips(encoded, below, walk)

        decoded: list[Tensor] = []
        for i in reversed(range(self.config.depth)):
            bridge = self.skip_gathers[i](skips)
            if i == 0:
                skips.clear()
            below = self.decoders[i](below, bridge, walk)
            decoded.insert(0, below)
        sums = [walk.add(*pair) for pair in zip(encoded, decoded, strict=True)] if encoded else []
        del below  # which is one of those that go
        attended, images = self._supervise(decoded, pictures, finest_only, walk)
        return StageFeatures(sums, attended, images)

    def _fuse(self, level: int, x: Parts, attended: Parts, walk: Whole) -> Tensor:
        fusion = self.input_fusions[level]
        if isinstance(fusion, CrossGatingBlock):
            return fusion(x, attended, walk)[0]
        assert isinstance(fusion, Dense)
        return Parts([x.through(_only, walk), *attended.maps]).through(fusion.together, walk)

    def _gate_skips(self, encoded: list[Tensor], bottleneck: Tensor, walk: Whole) -> list[Tensor]:
        """The skips, deepest level first. The last stage needs ``encoded`` for nothing else."""
        skips, gating = [], [bottleneck]
        for i in reversed(range(self.config.depth)):
            signal = self.bridge_gathers[i](encoded)
            if self.last and i == 0:
                encoded.clear()
            fusion = self.skip_fusions[i]
            if isinstance(fusion, CrossGatingBlock):
                skip, *gating = fusion(signal, Parts(gating), walk)
            else:
                skip = fusion(signal, walk)
            skips.append(skip)
        return skips

    def _supervise(
        self, decoded: list[Tensor], pictures: list[Tensor], finest_only: bool, walk: Whole
    ) -> tuple[list[Tensor], list[Tensor]]:
        if not self.last:
            attended: list[Tensor] = []
            images: list[Tensor] = []
            for attention, picture in zip(self.attentions, pictures, strict=True):
                features, image = attention(decoded.pop(0), picture, walk)
                attended.append(features)
                if not finest_only:
                    images.append(image)
            return attended, images
        convs = list(self.output_convs)[: 1 if finest_only else None]
        residual = self.config.num_outputs == 3
        images = [walk.rows(conv, decoded[i], halo=1) for i, conv in enumerate(convs)]
        if residual:
            images = [image + pictures[i] for i, image in enumerate(images)]
        return [], images


def _only(parts: Sequence[Tensor]) -> Tensor:
    (part,) = parts
    return part


def _input_fusion(config: MaximConfig, level: int) -> nn.Module:
    width = config.width(level)
    if config.use_cross_gating:
        return CrossGatingBlock(config, level, width, width, y_below=False)
    return Dense(2 * width, width, config.use_bias)


def _width_below(config: MaximConfig, level: int) -> int:
    # Below the last level lies the bottleneck, as wide as that level.
    return config.width(min(level + 1, config.depth - 1))
