"""The shape of a judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from restore.errors import ConfigError
from restore.networks.architecture import plain_values
from restore.networks.maxvit.config import MaxvitConfig

FAULTS = ("noise", "blur", "rain", "haze", "darkness", "blocks")
"""What is judged, in the order of the network's outputs."""
SIDE = 128
"""Side of a view, in pixels: of a place at full resolution, and of the reduced scene."""
TRUNKS = ("maxvit", "dualvit")


@dataclass(frozen=True)
class JudgeConfig:
    """Every choice that shapes a `JudgeNetwork`. Raises `ConfigError` for an impossible shape."""

    trunk: str = "maxvit"
    """The blocks that look at a view: one of `TRUNKS`."""
    stem: int = 16
    """Channels after the stem, at half the resolution of a view."""
    channels: tuple[int, ...] = (24, 48, 96)
    """Channels of every stage; each halves the resolution."""
    depths: tuple[int, ...] = (1, 1, 2)
    """Blocks of every stage."""
    head: int = 24
    """Channels of every attention head."""
    expansion: int = 3
    """Width of the middle of MBConv and of feed-forward layers, relative to their output."""
    window: int = 4
    """Side of MaxViT's windows, and its cells down and across."""
    tokens: int = 16
    """Semantic tokens of Dual-ViT; a MaxViT has none."""
    hidden: int = 128
    """Channels of the layers that join features, and places with the scene."""
    dropout: float = 0.2
    """Fraction of features that a training step does not see."""
    place_models: tuple[str, ...] = ()
    """Models of heads that are asked about places."""
    places_asked: tuple[int, ...] = ()
    """About how many places each is asked, at most: a large model takes long."""
    scene_models: tuple[str, ...] = ()
    """Models that are asked about light scenes and about dark ones, as many as about places."""

    def __post_init__(self) -> None:
        if self.trunk not in TRUNKS:
            raise ConfigError(f"trunk is {self.trunk!r}; known are {', '.join(TRUNKS)}")
        counts = {len(x) for x in (self.place_models, self.places_asked, self.scene_models)}
        if len(counts) > 1:
            raise ConfigError("place_models, places_asked and scene_models must be as many")
        if SIDE // 2 % self.maxvit.size_multiple[0]:
            raise ConfigError(f"{len(self.depths)} stages do not divide views of {SIDE} pixels")

    @property
    def maxvit(self) -> MaxvitConfig:
        """The same shape as a MaxViT."""
        return MaxvitConfig(
            stem=self.stem,
            channels=self.channels,
            depths=self.depths,
            block=self.window,
            grid=self.window,
            head=self.head,
            expansion=self.expansion,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return plain_values(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> JudgeConfig:
        """Undo `to_dict`. Raises `ConfigError` for an unknown field."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(values.keys() - known):
            raise ConfigError(f"a judge has no field {', '.join(unknown)}")
        fixed: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in values.items()
        }
        return cls(**fixed)
