"""Degraded examples of whole images: arrays in and out, with one number for the severity."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Generator, Tensor

from restore.degrade.blur import Blur, blur
from restore.degrade.haze import Haze, haze
from restore.degrade.lowlight import LowLight, lowlight
from restore.degrade.noise import MAX_SIGMA, CameraNoise, camera_noise, gaussian_noise
from restore.degrade.rain import Rain, rain
from restore.media.colour import rgb

KINDS: Mapping[str, Callable[[Tensor, float, Generator], Tensor]] = {
    "noise": lambda image, severity, rng: gaussian_noise(image, severity * MAX_SIGMA, rng),
    "camera-noise": lambda image, severity, rng: camera_noise(
        image, rng, CameraNoise().at(severity)
    ),
    "blur": lambda image, severity, rng: blur(image, rng, Blur().at(severity)),
    "rain": lambda image, severity, rng: rain(image, rng, Rain().at(severity)),
    "haze": lambda image, severity, rng: haze(image, rng, Haze().at(severity)),
    "lowlight": lambda image, severity, rng: lowlight(image, rng, LowLight().at(severity)),
}


def degrade(kind: str, image: np.ndarray, severity: float, seed: int) -> np.ndarray:
    """Degrade an image, H x W x 3 or H x W, uint8, uint16 or float32 in [0, 1]; returns the same
    shape and dtype.

    ``kind`` is a key of `KINDS`. ``severity`` in [0, 1] goes from none to the worst that the heads
    are trained on. The same seed gives the same image on the same machine.
    """
    if severity == 0:
        return image
    generator = torch.Generator().manual_seed(seed)
    white = 1 if image.dtype.kind == "f" else np.iinfo(image.dtype).max
    clean = torch.from_numpy(rgb(image).astype(np.float32)).permute(2, 0, 1)[None] / white
    degraded = KINDS[kind](clean, severity, generator).clamp(0, 1) * white
    result = degraded[0].permute(1, 2, 0).numpy()
    result = (np.rint(result) if white > 1 else result).astype(image.dtype)
    # Grey images stay grey. Green alone has the noise and the light of a grey image.
    return np.ascontiguousarray(result[..., 1] if image.ndim == 2 else result)
