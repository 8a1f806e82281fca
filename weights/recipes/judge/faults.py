"""Faults that are made, and what is known about the faults of a sample."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import torch
from healthy import LUMA, Draw
from PIL import Image
from torch import Tensor

from restore.degrade.blur import Blur, blur
from restore.degrade.haze import Haze, haze
from restore.degrade.lowlight import LowLight, lowlight, to_linear
from restore.degrade.noise import CameraNoise, camera_noise, gaussian_noise
from restore.degrade.rain import Rain, rain

UNKNOWN = math.nan
HEAVIEST_RAIN = 115.0


@dataclass
class Sample:
    """A picture in the making; the dictionaries say what is known about its faults."""

    image: Tensor
    """3 x H x W in [0, 1]."""
    healthy: Tensor
    kind: str = "photograph"
    faults: dict[str, float] = field(default_factory=dict)
    """Soft labels: 0 where restoring does not help, 1 where it surely does; NaN: unknown."""
    severities: dict[str, float] = field(default_factory=dict)

    def add(self, fault: str, label: float, severity: float) -> None:
        """Note a fault."""
        self.faults[fault] = min(1.0, max(0.0, label))
        self.severities[fault] = min(1.0, max(0.0, severity))


def add_haze(made: Sample, draw: Draw, far: Tensor | None = None) -> None:
    severity = draw.uniform(0.05, 1)
    median = 0.2**severity
    ranges = Haze(median=(median, median), none=0)
    if draw.chance(0.3):
        ranges = replace(ranges, airlight=(0.5, 0.8), white=0)  # a dull day
    image = made.image[None]
    metric = None if far is None else torch.zeros(1, dtype=torch.bool)
    made.image = haze(image, draw.torch, ranges, depth=far, metric=metric)[0]
    # White pages and black nights hide it.
    change = difference(made.image, image[0])
    label = (0.92 - median) / 0.12 if change > 10 else UNKNOWN
    _note(made, "haze", label, severity)


def _add_rain(made: Sample, draw: Draw) -> None:
    mean = draw.log_uniform(1, HEAVIEST_RAIN)
    pinned = (mean / 255, mean / 255)
    base = Rain()
    ranges = replace(
        base,
        light=replace(base.light, mean=pinned),
        heavy=replace(base.heavy, mean=pinned),
        heavy_fraction=0.0 if mean < 8 else 0.6,
        none=0,
    )
    before = made.image
    made.image = rain(before[None], draw.torch, ranges)[0]
    label = mean - 1.2 if difference(made.image, before) > 2 else UNKNOWN
    _note(made, "rain", label, math.sqrt(mean / HEAVIEST_RAIN))


def _add_blur(made: Sample, draw: Draw) -> None:
    before = made.image[None]
    kind = draw.rng.choice(3, p=(0.55, 0.25, 0.2))
    exact = Blur(sigma=(0, 0), none=0)
    if kind == 0:
        extent = draw.log_uniform(2.5, 41)
        ranges = replace(exact, extent=(extent, extent), radius=(1, 1), defocus=0)
        label, severity = (extent - 4) / 4, (extent - 1) / 40
        after = blur(before, draw.torch, ranges)
    elif kind == 1:
        radius = draw.log_uniform(0.7, 7)
        ranges = replace(exact, extent=(3, 3), radius=(radius, radius), defocus=1)
        label, severity = radius - 1, radius / 6
        after = blur(before, draw.torch, ranges)
    else:
        sigma = draw.log_uniform(0.5, 5)
        label, severity = (sigma - 0.8) / 0.6, sigma / 4
        side = 2 * math.ceil(3 * sigma) + 1
        array = cv2.GaussianBlur(before[0].permute(1, 2, 0).numpy(), (side, side), sigma)
        after = torch.from_numpy(array).permute(2, 0, 1)[None]
    made.image = after[0]
    if label > 0 and difference(made.image, before[0]) < 2.5:
        label = UNKNOWN
    _note(made, "blur", label, severity)


def _add_darkness(made: Sample, draw: Draw) -> None:
    severity = draw.uniform(0.1, 1)
    noisy = draw.chance(0.5)
    ranges = replace(LowLight().at(severity), shot=(1e-9, 1e-9))
    shot = draw.log_uniform(3e-5, 2e-3)
    if noisy:
        ranges = replace(ranges, shot=(shot, shot))
    dark = made.kind in ("night", "low key", "drawn")
    before = made.image
    made.image = lowlight(before[None], draw.torch, ranges)[0]
    exposure = float(to_linear(made.image).mean() / to_linear(before).mean().clamp(min=1e-4))
    note_darkness(made, exposure)
    if dark:
        made.faults["darkness"] = UNKNOWN
    if noisy and not made.faults.get("noise"):
        made.faults["noise"] = made.severities["noise"] = UNKNOWN


def add_noise(made: Sample, draw: Draw) -> None:
    before = made.image.clamp(0, 1)
    kind = draw.rng.choice(3, p=(0.5, 0.4, 0.1))
    if kind == 1:
        shot = draw.log_uniform(1e-4, 1.2e-2)
        ranges = replace(CameraNoise(), shot=(shot, shot), jpeg=0)
        made.image = camera_noise(before[None], draw.torch, ranges)[0]
        sigma = difference(made.image, before)
    else:
        sigma = draw.uniform(1, 55) if draw.chance(0.7) else draw.log_uniform(1, 12)
        noise = gaussian_noise(torch.zeros_like(before), sigma / 255, draw.torch)
        if kind == 2:  # of one colour, as in grey pictures
            noise = noise[:1].expand_as(noise)
            before = (before * LUMA).sum(0, keepdim=True).expand_as(before)
        made.image = (before + noise).clamp(0, 1)
    note_noise(made, sigma, weakest=2.0, certain=4.5)


def _add_blocks(made: Sample, draw: Draw) -> None:
    quality = int(draw.rng.integers(6, 75))
    made.image = to_tensor(jpeg(to_uint8(made.image), quality, draw))
    _note(made, "blocks", (78 - quality) / 18, (90 - quality) / 80)


FAULT_MAKERS = {
    "haze": add_haze,
    "rain": _add_rain,
    "blur": _add_blur,
    "darkness": _add_darkness,
    "noise": add_noise,
    "blocks": _add_blocks,
}


def _note(made: Sample, fault: str, label: float, severity: float) -> None:
    if label != label:
        made.faults[fault], made.severities[fault] = UNKNOWN, UNKNOWN
    else:
        made.add(fault, label, severity)


def note_noise(made: Sample, sigma: float, weakest: float, certain: float) -> None:
    made.add("noise", (sigma - weakest) / (certain - weakest), sigma / 55)


def note_darkness(made: Sample, exposure: float) -> None:
    """By the loss of light; what still looks like a usual picture is left open."""
    severity = math.log(max(exposure, 1e-4)) / math.log(1 / 30)
    label = (severity - 0.2) / 0.2
    luma = float((made.image * LUMA).sum(0).mean())
    _note(made, "darkness", label if luma < 0.4 or label <= 0 else UNKNOWN, severity)


def difference(one: Tensor, other: Tensor) -> float:
    """Root mean square of a difference, 0 to 255."""
    return 255 * float((one.clamp(0, 1) - other.clamp(0, 1)).square().mean().sqrt())


def to_uint8(image: Tensor) -> np.ndarray:
    """3 x H x W in [0, 1] -> H x W x 3."""
    return (image.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()


def to_tensor(array: np.ndarray) -> Tensor:
    """H x W x 3 uint8 or H x W float -> C x H x W float32; uint8 goes to [0, 1]."""
    plain = torch.from_numpy(np.ascontiguousarray(array))
    if plain.dtype == torch.uint8:
        return plain.permute(2, 0, 1).float() / 255
    return plain[None].float()


def jpeg(image: np.ndarray, quality: int, draw: Draw) -> np.ndarray:
    file = io.BytesIO()
    subsampling = 0 if draw.chance(0.3) else 2
    Image.fromarray(image).save(file, "JPEG", quality=quality, subsampling=subsampling)
    with Image.open(file) as decoded:
        return np.array(decoded.convert("RGB"))
