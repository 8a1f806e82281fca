"""The shape of a NAFNet, under the names of the authors' option files.

Source: "Simple Baselines for Image Restoration", ECCV 2022 (arXiv 2204.04676), sections 4 and 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from restore.errors import ConfigError
from restore.networks.architecture import Pair, plain_values


@dataclass(frozen=True)
class NafnetConfig:
    """Every choice that shapes a `Nafnet`; the default blocks are the 36 of the paper's denoisers.

    The authors' deblurring checkpoints have ``enc_blk_nums`` 1, 1, 1, 28, ``middle_blk_num`` 1 and
    ``dec_blk_nums`` 1, 1, 1, 1. Raises `ConfigError`, naming the field, for a value that no network
    can have.
    """

    width: int = 32
    """Channels at full resolution; each level down has twice as many."""
    enc_blk_nums: tuple[int, ...] = (2, 2, 4, 8)
    """Blocks of every encoder level, finest first."""
    middle_blk_num: int = 12
    """Blocks at the lowest resolution."""
    dec_blk_nums: tuple[int, ...] = (2, 2, 2, 2)
    """Blocks of every decoder level, coarsest first."""

    def __post_init__(self) -> None:
        for name in ("width", "middle_blk_num"):
            _require_count(name, getattr(self, name))
        for name in ("enc_blk_nums", "dec_blk_nums"):
            numbers = getattr(self, name)
            if not isinstance(numbers, tuple | list) or not numbers:
                raise ConfigError(f"{name} is {numbers!r}; it must list a number for every level")
            for number in numbers:
                _require_count(name, number)
            object.__setattr__(self, name, tuple(numbers))
        if len(self.enc_blk_nums) != len(self.dec_blk_nums):
            raise ConfigError(
                f"dec_blk_nums is {list(self.dec_blk_nums)}; it must have as many levels as "
                f"enc_blk_nums ({len(self.enc_blk_nums)})"
            )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> NafnetConfig:
        """Inverse of `to_dict`. Raises `ConfigError`, also for an unknown field."""
        unknown = sorted(set(values) - {field.name for field in fields(cls)})
        if unknown:
            raise ConfigError(f"unknown configuration field: {', '.join(map(str, unknown))}")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return plain_values(self)

    @property
    def size_multiple(self) -> Pair:
        """Height and width of an input must be multiples of these, in pixels."""
        side = 2 ** len(self.enc_blk_nums)
        return side, side

    @property
    def num_stages(self) -> int:
        """Always 1."""
        return 1

    @property
    def num_outputs(self) -> int:
        """Channels of the result."""
        return 3


def _require_count(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigError(f"{name} is {value!r}; it must be a whole number of at least 1")


VARIANTS: Mapping[str, NafnetConfig] = {
    f"nafnet-width{width}": NafnetConfig(width=width) for width in (16, 32, 64)
}
