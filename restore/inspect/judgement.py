"""Faults of an image, their severity and their places, as judged by the shipped network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from restore.errors import ImageError, RestoreError
from restore.inspect import judge_model
from restore.inspect.asked_heads import asked_heads
from restore.inspect.judged_views import Views, views
from restore.media.colour import rgb
from restore.networks.judge.config import FAULTS, SIDE

if TYPE_CHECKING:
    from torch import Tensor

SIGMA = 55.0
"""Deviation of the noise, 0 to 255, that has severity 1."""


@dataclass(frozen=True)
class Place:
    """A square of a picture: the first row and column, the side in pixels (less where the picture
    ends), and the probability of each fault there."""

    row: int
    column: int
    side: int
    probabilities: Mapping[str, float]


@dataclass(frozen=True)
class Judgement:
    """Faults are those of `FAULTS`, in that order."""

    probabilities: Mapping[str, float]
    """Probability that a picture has a fault which is worth a restoration; calibrated."""
    severities: Mapping[str, float]
    """How bad a fault is if it is there, 0 to 1; of noise, sigma over `SIGMA`."""
    quality: float
    """Estimated structural similarity (SSIM) to the picture without its faults, 0 to 1."""
    places: tuple[Place, ...]
    """The places that were looked at, at full resolution."""


def judge(pixels: np.ndarray) -> Judgement:
    """Judge H x W x 3 (RGB) or H x W (grey), at least 1 x 1; integers, or floats in [0, 1].

    The time does not depend on the size: at most nine places of 128 x 128 pixels and the reduced
    picture are looked at.

    Raises:
        ImageError: for an array of another shape or type, or one that holds NaN.
        CheckpointError: where the shipped network is missing or damaged.
        RestoreError: without torch.
    """
    return judge_views(views(_in_8_bits(pixels)))


def judge_views(seen: Views) -> Judgement:
    """Judge views that were cut before; raises as `judge` does."""
    try:
        import torch
    except ModuleNotFoundError:
        raise RestoreError("judging a picture requires torch: pip install torch") from None

    network, card = judge_model.network(), judge_model.card()
    heads = asked_heads(card.network, card.models)
    with torch.inference_mode():
        verdict = network(_tensor(seen.places)[None], _tensor(seen.scene)[None], heads)
    places = tuple(
        Place(row, column, SIDE, _probabilities(logits, card.place_calibration))
        for (row, column), logits in zip(seen.corners, verdict.places[0].tolist(), strict=True)
    )
    return Judgement(
        _probabilities(verdict.faults[0].tolist(), card.calibration),
        dict(zip(FAULTS, verdict.severities[0].tolist(), strict=True)),
        float(verdict.quality[0]),
        places,
    )


def _probabilities(
    logits: list[float], calibration: Mapping[str, tuple[float, float]]
) -> dict[str, float]:
    found = {}
    for name, logit in zip(FAULTS, logits, strict=True):
        factor, offset = calibration[name]
        found[name] = float(1 / (1 + np.exp(-np.clip(factor * logit + offset, -50, 50))))
    return found


def _tensor(array: np.ndarray) -> Tensor:
    """... x H x W x 3 uint8 -> ... x 3 x H x W in [0, 1], channels last in memory."""
    import torch

    return torch.from_numpy(array).movedim(-1, -3).float() / 255


def _in_8_bits(pixels: np.ndarray) -> np.ndarray:
    """H x W x 3 uint8."""
    if (
        pixels.ndim not in (2, 3)
        or 0 in pixels.shape
        or (pixels.ndim == 3 and pixels.shape[2] != 3)
    ):
        raise ImageError(f"cannot judge an array of shape {pixels.shape}; need H x W x 3 or H x W")
    if pixels.dtype == np.uint8:
        return rgb(pixels)
    if np.issubdtype(pixels.dtype, np.unsignedinteger):
        return rgb((pixels / (np.iinfo(pixels.dtype).max / 255)).round().astype(np.uint8))
    if not np.issubdtype(pixels.dtype, np.floating):
        raise ImageError(
            f"cannot judge an array of {pixels.dtype}; need unsigned integers or floats"
        )
    if not np.isfinite(pixels).all():
        raise ImageError("cannot judge an array that holds NaN or infinity")
    return rgb((pixels.clip(0, 1) * 255).round().astype(np.uint8))
