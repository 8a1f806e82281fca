"""One stage of MAXIM on the same parameters, holding as few feature maps as possible."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from restore.networks.fast.blocks import (
    FastBottleneckBlock,
    FastConvFusion,
    FastCrossGatingBlock,
    FastDecoderBlock,
    FastEncoderBlock,
    FastSupervisedAttention,
)
from restore.networks.fast.layers import FastConv, FastDense, FastResample
from restore.networks.fast.pending import PendingInput
from restore.networks.fast.strips import WholeMaps
from restore.networks.maxim.blocks import ConvFusion, CrossGatingBlock
from restore.networks.maxim.layers import Dense
from restore.networks.maxim.stage import Gather, Stage


@dataclass
class RemainingFeatures:
    """The features of a stage that a later one still reads. Lists are indexed by level, 0 = finest.

    ``sums`` are of encoder and decoder features. ``restored`` is the finest image of the last
    stage, N x h x w x (3 * stem_factor**2).
    """

    sums: list[Tensor]
    attended: list[Tensor]
    restored: Tensor | None


class FastGather(nn.Module):
    """`Gather` as a pending input."""

    def __init__(self, plain: Gather):
        super().__init__()
        self.at_level = plain.at_level
        self.resamples = _each(FastResample, plain.resamples)

    def forward(self, features: Sequence[Tensor]) -> PendingInput:
        return PendingInput(list(features), self._resampled, 1, features[self.at_level].shape[1])

    def _resampled(self, *features: Tensor) -> list[Tensor]:
        pairs = zip(self.resamples, features, strict=True)
        return [resample(x) for resample, x in pairs]


class FastStage(nn.Module):
    """`Stage` that makes the finest image only."""

    def __init__(self, plain: Stage):
        super().__init__()
        self.config = plain.config
        self.last = plain.last
        self.input_convs = _each(FastConv, plain.input_convs)
        self.input_fusions = _each(_fast_fusion, plain.input_fusions)
        self.encoders = _each(FastEncoderBlock, plain.encoders)
        self.bottleneck = _each(FastBottleneckBlock, plain.bottleneck)
        self.bridge_gathers = _each(FastGather, plain.bridge_gathers)
        self.skip_gathers = _each(FastGather, plain.skip_gathers)
        self.skip_fusions = _each(_fast_fusion, plain.skip_fusions)
        self.decoders = _each(FastDecoderBlock, plain.decoders)
        self.attentions = _each(FastSupervisedAttention, plain.attentions)
        self.output_convs = _each(FastConv, plain.output_convs)

    def forward(
        self, images: Sequence[Tensor], previous: RemainingFeatures | None, walk: WholeMaps
    ) -> RemainingFeatures:
        """``images``: N x h x w x (3 * stem_factor**2) for every supervised scale.

        The features of ``previous`` are removed from it once they are used.
        """
        # Images stay in the caller's precision, so that the result is rounded once, at its end.
        dtype = next(self.parameters()).dtype
        inputs: list[Tensor] = []
        for i, conv in enumerate(self.input_convs):
            pending = PendingInput([images[i].to(dtype)], lambda image, conv=conv: [conv(image)], 1)
            if previous is None:
                inputs.append(pending.through(_only, walk))
            else:
                other = PendingInput([previous.attended.pop(0)])
                inputs.append(self._fuse(i, pending, other, walk))

        encoded, below = self._encode(inputs, previous, walk)
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
        del below  # it is one of the maps that can be freed
        if self.last:
            restored = walk.rows(self.output_convs[0], decoded[0], halo=1)
            if self.config.num_outputs == 3:
                restored = restored + images[0]
            return RemainingFeatures([], [], restored)
        attended = []
        for attention, image in zip(self.attentions, images, strict=True):
            attended.append(attention(decoded.pop(0), image, walk)[0])
        return RemainingFeatures(sums, attended, None)

    def _encode(
        self, inputs: list[Tensor], previous: RemainingFeatures | None, walk: WholeMaps
    ) -> tuple[list[Tensor], Tensor]:
        """Return the features of every level, and the input of the bottleneck."""
        maps, encoded = inputs[:1], []
        for encoder in self.encoders:
            maps += inputs[:1]
            del inputs[:1]
            before = None if previous is None else PendingInput([previous.sums.pop(0)])
            below, features = encoder(PendingInput(maps), before, walk)
            maps.append(below)
            encoded.append(features)
        return encoded, maps.pop()

    def _fuse(self, level: int, x: PendingInput, attended: PendingInput, walk: WholeMaps) -> Tensor:
        fusion = self.input_fusions[level]
        if isinstance(fusion, FastCrossGatingBlock):
            return fusion(x, attended, walk)[0]
        assert isinstance(fusion, FastDense)
        both = PendingInput([x.through(_only, walk), *attended.maps])
        return both.through(fusion.together, walk)

    def _gate_skips(
        self, encoded: list[Tensor], bottleneck: Tensor, walk: WholeMaps
    ) -> list[Tensor]:
        """Return the skips, deepest level first. The last stage frees ``encoded``."""
        skips, gating = [], [bottleneck]
        for i in reversed(range(self.config.depth)):
            signal = self.bridge_gathers[i](encoded)
            if self.last and i == 0:
                encoded.clear()
            fusion = self.skip_fusions[i]
            if isinstance(fusion, FastCrossGatingBlock):
                skip, *gating = fusion(signal, PendingInput(gating), walk)
            else:
                skip = fusion(signal, walk)
            skips.append(skip)
        return skips


def _each(fast: Callable[[Any], nn.Module], plain: Iterable[nn.Module]) -> nn.ModuleList:
    return nn.ModuleList(fast(module) for module in plain)


def _only(parts: Sequence[Tensor]) -> Tensor:
    (part,) = parts
    return part


def _fast_fusion(plain: nn.Module) -> nn.Module:
    if isinstance(plain, CrossGatingBlock):
        return FastCrossGatingBlock(plain)
    if isinstance(plain, ConvFusion):
        return FastConvFusion(plain)
    assert isinstance(plain, Dense)
    return FastDense(plain)
