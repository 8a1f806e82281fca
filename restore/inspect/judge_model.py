"""The shipped judge: weights, calibration and thresholds, read once."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restore.checkpoints.store import shipped_folder
from restore.errors import CheckpointError
from restore.files import sha256_of
from restore.networks.judge.config import FAULTS, JudgeConfig

if TYPE_CHECKING:
    from restore.networks.judge.network import JudgeNetwork

NAME = "judge-small"


@dataclass(frozen=True)
class JudgeCard:
    """What a judge's JSON file tells. Mappings go by fault, in the order of `FAULTS`."""

    network: JudgeConfig
    sha256: str
    calibration: Mapping[str, tuple[float, float]]
    """Factor and offset that turn a logit of the picture into that of a probability."""
    place_calibration: Mapping[str, tuple[float, float]]
    """The same for places."""
    thresholds: Mapping[str, float]
    """Probability above which a fault counts."""
    models: Mapping[str, str]
    """Models that the judge asks -> SHA-256 of the weights it learned their answers from."""

    @classmethod
    def read(cls, path: Path) -> JudgeCard:
        """Read a JSON file. Raises `CheckpointError`."""
        try:
            values: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                JudgeConfig.from_dict(values["network"]),
                str(values["sha256"]),
                {name: _pair(values["calibration"][name]) for name in FAULTS},
                {name: _pair(values["place_calibration"][name]) for name in FAULTS},
                {name: float(values["thresholds"][name]) for name in FAULTS},
                {str(name): str(digest) for name, digest in values["models"].items()},
            )
        except FileNotFoundError:
            raise CheckpointError(f"{path}: the judge of pictures is not installed") from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(f"{path}: not the card of a judge: {error}") from error


def _pair(values: Any) -> tuple[float, float]:
    factor, offset = values
    return float(factor), float(offset)


def path_of_weights() -> Path:
    """Return the shipped weights."""
    return shipped_folder() / "judge" / f"{NAME}.safetensors"


@functools.cache
def card() -> JudgeCard:
    """Return the card of the shipped judge. Raises `CheckpointError`."""
    return JudgeCard.read(path_of_weights().with_suffix(".json"))


@functools.cache
def network() -> JudgeNetwork:
    """Return the shipped network, in evaluation mode. Raises `CheckpointError`."""
    return load(path_of_weights(), card())


def load(path: Path, of: JudgeCard) -> JudgeNetwork:
    """Read a weights file. Raises `CheckpointError` where it is not the one of the card."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from restore.networks.judge.network import JudgeNetwork

    if not path.is_file():
        raise CheckpointError(f"{path}: the judge of pictures is not installed")
    if sha256_of(path) != of.sha256:
        raise CheckpointError(f"{path}: damaged: its SHA-256 is not that of its card")
    network = JudgeNetwork(of.network)
    try:
        network.load_state_dict({name: x.float() for name, x in load_file(path).items()})
    except (SafetensorError, RuntimeError) as error:
        raise CheckpointError(f"{path}: not a judge of the shape on its card") from error
    return network.eval().to(memory_format=torch.channels_last)  # a third faster
