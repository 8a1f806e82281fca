"""The card of a model: its properties, requirements and origin.

A model is two files side by side, ``NAME.safetensors`` and ``NAME.json``. A model without its card
is not loaded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from restore.errors import CheckpointError
from restore.files import sha256_of
from restore.heads import HEADS
from restore.networks import DEFAULT, NetworkConfig, architecture_of, config_from_dict

FLOAT32 = "float32"
BFLOAT16 = "bfloat16"


@dataclass(frozen=True)
class Figure:
    """A quality figure and its protocol, such as "PSNR 29.2 dB on CBSD68, sigma 25"."""

    data: str
    metric: str
    value: float
    protocol: str
    stages: int = 0
    """Stages after which the network was stopped; 0 is none: all of it."""

    def __str__(self) -> str:
        stopped = f", stopped after stage {self.stages}" if self.stages else ""
        return f"{self.metric} {self.value:g} on {self.data} ({self.protocol}{stopped})"


@dataclass(frozen=True)
class TrainingSet:
    """Images that a model was trained on."""

    name: str
    licence: str


@dataclass(frozen=True)
class TilePolicy:
    """How a network is shown large images.

    Images of more than ``whole_up_to`` pixels are cut into tiles of ``size`` pixels a side, of
    which neighbours share ``overlap``. If ``reduce_to`` is not 0, images are first reduced to that
    many pixels on the shorter side, and the change is carried over to all pixels
    (`restore.engine.guided`). If ``window`` is not 0, grid mixing and channel attention are
    confined to windows of about that many pixels a side, in tiles and in uncut images.
    """

    size: int
    overlap: int
    whole_up_to: int
    reduce_to: int = 0
    window: int = 0

    def __post_init__(self) -> None:
        for name in ("size", "overlap", "whole_up_to", "reduce_to", "window"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise ValueError(f"tile {name} is {value!r}; it must be a whole number")


TILES = TilePolicy(size=512, overlap=64, whole_up_to=1024 * 1024)
"""For a model without a measured policy: whole pictures up to a megapixel, as
the official evaluation runs them, then tiles that keep an S-3 within some gigabytes."""

_REDUCED_WHOLE = 4 * 2**20
"""Pixels up to which a reduced image is not cut: 400 x 10,000, a panorama of 25:1."""


@dataclass(frozen=True)
class Card:
    """The description of a model.

    ``network`` fixes the architecture and every shape. ``precisions``: those in which the model
    passed its tests. ``paper``: by default, that of the architecture. ``sha256``: of the weights
    file. ``source``: origin of the weights: URL and SHA-256 of a download, or the run that trained
    them. ``limits``: what the model cannot do. ``memory``: peak of a computation in bytes per
    pixel, by device ("cpu") and precision, as `restore.benchmark.footprint` measures it.
    ``keeps_drawings``: whether drawn content (`restore.engine.drawings`) stays unchanged.
    """

    name: str
    task: str
    network: NetworkConfig
    sha256: str
    variant: str = "custom"
    licence: str = "unknown"
    paper: str = ""
    precisions: tuple[str, ...] = (FLOAT32,)
    tile: TilePolicy | None = None
    memory: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    training_patch: int | None = None
    training_data: tuple[TrainingSet, ...] = ()
    limits: str = ""
    figures: tuple[Figure, ...] = ()
    source: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    parameters: int | None = None
    keeps_drawings: bool = False

    def __post_init__(self) -> None:
        if not self.paper:
            object.__setattr__(self, "paper", architecture_of(self.network).paper)

    @property
    def network_title(self) -> str:
        """The architecture and its shape, such as "MAXIM S-1"."""
        return f"{architecture_of(self.network).title} {self.variant}"

    @property
    def tiles(self) -> TilePolicy:
        """The tile policy of the card, or that of the head if the card has no measured one.

        `TILES` on a card counts as unmeasured: official models that were converted before any
        measurement have it.
        """
        if self.tile is not None and self.tile != TILES:
            return self.tile
        side = HEADS[self.task].reduce_to
        return replace(TILES, whole_up_to=_REDUCED_WHOLE, reduce_to=side) if side else TILES

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values, with the size rule spelled out for readers without this code."""
        values = asdict(self)
        values["architecture"] = architecture_of(self.network).name
        values["network"] = self.network.to_dict()
        values["size_multiple"] = list(self.network.size_multiple)
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Card:
        """Build a card from `to_dict`'s values. Unknown fields, which a newer version may have
        added, are ignored, except those of the network. Raises `CheckpointError` naming a missing
        or wrong field."""
        try:
            kept = _known(cls, values)
            architecture = {"architecture": values.get("architecture", DEFAULT)}
            kept["network"] = config_from_dict(architecture | values["network"])
            kept["precisions"] = tuple(values.get("precisions", (FLOAT32,)))
            kept["figures"] = tuple(
                Figure(**_known(Figure, figure)) for figure in values.get("figures", ())
            )
            kept["training_data"] = tuple(
                TrainingSet(**_known(TrainingSet, one)) for one in values.get("training_data", ())
            )
            if values.get("tile") is not None:
                kept["tile"] = TilePolicy(**_known(TilePolicy, values["tile"]))
            for name in ("name", "task", "sha256", "variant", "licence", "limits"):
                if not isinstance(kept.get(name, ""), str):
                    raise ValueError(f"{name} is {kept[name]!r}; it must be text")
            if not isinstance(kept.get("keeps_drawings", False), bool):
                raise ValueError(f"keeps_drawings is {kept['keeps_drawings']!r}; say true or false")
            card = cls(**kept)
        except KeyError as error:
            raise CheckpointError(f"the card has no field {error}") from error
        except (TypeError, ValueError, AttributeError) as error:
            raise CheckpointError(f"the card is not valid: {error}") from error
        if card.task not in HEADS:
            raise CheckpointError(f"the card names an unknown task, {card.task!r}")
        return card


def _known(kind: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of ``values`` that are fields of a dataclass."""
    return {f.name: values[f.name] for f in fields(kind) if f.name in values}


def card_path(weights: Path) -> Path:
    return weights.with_suffix(".json")


def read_card(weights: Path) -> Card:
    """Return the card next to a weights file. Raises `CheckpointError` without one."""
    path = card_path(weights)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{weights}: has no card; expected {path.name} next to it") from None
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: cannot be read as a card: {error}") from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{path}: is not a card")
    try:
        return Card.from_dict(values)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error


def verify(path: Path, card: Card) -> None:
    """Raise `CheckpointError` unless the file has the SHA-256 that its card states."""
    verify_sha256(path, card.sha256)


def verify_sha256(path: Path, expected: str) -> None:
    """Raise `CheckpointError` unless the file has this SHA-256, which its card states."""
    try:
        found = sha256_of(path)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from error
    if found != expected:
        raise CheckpointError(
            f"{path}: is damaged or not the file its card describes (SHA-256 {found[:12]}..., "
            f"expected {expected[:12] or 'none'}...)"
        )
