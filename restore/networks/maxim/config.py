"""The shape of a MAXIM network, under the names the official release uses.

Source: "MAXIM: Multi-Axis MLP for Image Processing", CVPR 2022 (arXiv 2201.02973), table 7 and the
released configurations.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from restore.errors import ConfigError
from restore.networks.architecture import Pair, plain_values

_AT_LEAST_ONE = (
    "features",
    "depth",
    "num_stages",
    "num_groups",
    "num_supervision_scales",
    "num_bottleneck_blocks",
    "block_gmlp_factor",
    "grid_gmlp_factor",
    "input_proj_factor",
    "channels_reduction",
    "num_outputs",
    "stem_factor",
)
_FLAGS = ("use_bias", "use_global_mlp", "use_cross_gating")
_PAIRS = ("block_size_hr", "block_size_lr", "grid_size_hr", "grid_size_lr")


@dataclass(frozen=True)
class MaximConfig:
    """Every choice that shapes a `Maxim`; the defaults are those of the official bare class.

    Level i (0 = finest) is ``features * 2**i`` channels wide. ``*_hr`` sizes hold for the first
    ``high_res_stages`` levels and ``block_size_lr`` for the others and the bottleneck, in pixels
    (height, width); a single number means a square. ``grid_size_lr`` is kept because official
    configurations carry it; the official network never reads it, so neither do we.

    ``stem_factor`` is ours: r > 1 folds r x r pixels into channels before the U-Net and back
    after it (pixel-unshuffle), which makes the small models fast. Official variants have 1.

    Raises `ConfigError`, naming the field, for a value that no network can have.
    """

    features: int = 64
    depth: int = 3
    num_stages: int = 2
    num_groups: int = 1
    num_supervision_scales: int = 1
    num_bottleneck_blocks: int = 1
    high_res_stages: int = 2
    block_size_hr: Pair = (16, 16)
    block_size_lr: Pair = (8, 8)
    grid_size_hr: Pair = (16, 16)
    grid_size_lr: Pair = (8, 8)
    block_gmlp_factor: int = 2
    grid_gmlp_factor: int = 2
    input_proj_factor: int = 2
    channels_reduction: int = 4
    lrelu_slope: float = 0.2
    dropout_rate: float = 0.0
    use_bias: bool = True
    use_global_mlp: bool = True
    use_cross_gating: bool = True
    num_outputs: int = 3
    stem_factor: int = 1

    def __post_init__(self) -> None:
        for name in _PAIRS:
            object.__setattr__(self, name, _pair(name, getattr(self, name)))
        for name in _AT_LEAST_ONE:
            _require_integer(name, getattr(self, name), least=1)
        _require_integer("high_res_stages", self.high_res_stages, least=0)
        for name in _FLAGS:
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"{name} is {getattr(self, name)!r}; it must be true or false")
        if self.num_supervision_scales > self.depth:
            raise ConfigError(
                f"num_supervision_scales is {self.num_supervision_scales}; "
                f"it cannot exceed depth ({self.depth})"
            )
        if self.channels_reduction > self.features:
            raise ConfigError(
                f"channels_reduction is {self.channels_reduction}; "
                f"it cannot exceed features ({self.features})"
            )
        # Channels are halved behind the input projection, and each half widened and halved again.
        inner = self.input_proj_factor * self.features
        for name, halved in (
            ("input_proj_factor", inner),
            ("block_gmlp_factor", self.block_gmlp_factor * (inner // 2)),
            ("grid_gmlp_factor", self.grid_gmlp_factor * (inner // 2)),
        ):
            if halved % 2:
                raise ConfigError(
                    f"{name} is {getattr(self, name)}; with features = {self.features} that makes "
                    f"{halved} channels, which cannot be halved"
                )
        if isinstance(self.lrelu_slope, bool) or not isinstance(self.lrelu_slope, int | float):
            raise ConfigError(f"lrelu_slope is {self.lrelu_slope!r}; it must be a number")
        if not math.isfinite(self.lrelu_slope):
            raise ConfigError(f"lrelu_slope is {self.lrelu_slope!r}; it must be finite")
        if self.dropout_rate != 0:
            raise ConfigError(
                f"dropout_rate is {self.dropout_rate!r}; only 0 is built, as in all releases"
            )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> MaximConfig:
        """Build from official names; ``variant`` ("S-2") supplies what the others leave open.

        An unknown name or variant raises `ConfigError`.
        """
        values = dict(values)
        base = cls()
        variant = values.pop("variant", None)
        if variant is not None:
            if variant not in VARIANTS:
                raise ConfigError(f"variant is {variant!r}; known are {', '.join(VARIANTS)}")
            base = VARIANTS[variant]
        unknown = sorted(set(values) - {field.name for field in fields(cls)})
        if unknown:
            raise ConfigError(f"unknown configuration field: {', '.join(map(str, unknown))}")
        return replace(base, **values)

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain values (pairs as lists); ``from_dict`` takes them back."""
        return plain_values(self)

    def width(self, level: int) -> int:
        """Channels at a level."""
        return self.features * 2**level

    def block_size(self, level: int) -> Pair:
        """Window of the block mix at a level; ``level == depth`` is the bottleneck."""
        return self.block_size_hr if self._is_high(level) else self.block_size_lr

    def grid_size(self, level: int) -> Pair:
        """Cells of the grid mix at a level. Low resolutions use the block size, as officially."""
        return self.grid_size_hr if self._is_high(level) else self.block_size_lr

    def _is_high(self, level: int) -> bool:
        return level < min(self.high_res_stages, self.depth)

    @property
    def size_multiple(self) -> Pair:
        """Height and width of an input must be multiples of these, in pixels."""
        return self._multiple(0), self._multiple(1)

    def _multiple(self, axis: int) -> int:
        # The bottleneck runs at half the resolution of the last level, always with the low-
        # resolution block for both mixes.
        needs = [2**self.depth * self.block_size_lr[axis]]
        for level in range(self.depth):
            needs.append(2**level * self.block_size(level)[axis])
            needs.append(2**level * self.grid_size(level)[axis])
        return self.stem_factor * math.lcm(*needs)


def _variant(features: int, stages: int) -> MaximConfig:
    return MaximConfig(
        features=features,
        num_stages=stages,
        num_groups=2,
        num_bottleneck_blocks=2,
        num_supervision_scales=3,
    )


def _require_integer(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(f"{name} is {value!r}; it must be a whole number of at least {least}")


def _pair(name: str, value: object) -> Pair:
    sides = (value, value) if isinstance(value, int) else value
    if not isinstance(sides, tuple | list) or len(sides) != 2:
        raise ConfigError(f"{name} is {value!r}; it must be a size or a (height, width) pair")
    for side in sides:
        _require_integer(name, side, least=1)
    return (sides[0], sides[1])


VARIANTS: Mapping[str, MaximConfig] = {
    f"{size}-{stages}": _variant(features, stages)
    for size, features in (("S", 32), ("M", 64))
    for stages in (1, 2, 3)
}
