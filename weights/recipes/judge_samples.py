"""Samples of the judge: a picture with no, one or several faults, and what is wrong with it."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import torch
from judge_healthy import KINDS, LUMA, Draw, by_taste
from judge_sources import Sources, depth, pixels
from PIL import Image
from torch import Tensor

from restore.degrade.blur import Blur, blur
from restore.degrade.haze import Haze, haze
from restore.degrade.lowlight import LowLight, lowlight, to_linear
from restore.degrade.noise import CameraNoise, camera_noise, gaussian_noise
from restore.degrade.rain import Rain, rain
from restore.inspect.judged_views import views
from restore.networks.judge import FAULTS

PER_SIDE = 2
"""Cells down and across of a sample, which is smaller than most pictures."""
HEALTHY = 0.42
UNKNOWN = math.nan
HEAVIEST_RAIN = 115.0
MAKEABLE = ("haze", "rain", "blur", "darkness", "noise", "blocks")
"""In the order in which nature, lens, sensor and file add them."""
SHARES = (0.17, 0.19, 0.2, 0.15, 0.22, 0.07)
_COUNTS = (0.55, 0.3, 0.15)


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


@dataclass(frozen=True)
class Finished:
    """``places`` and ``scene`` as of `Views`; labels in the order of `FAULTS`."""

    places: np.ndarray
    scene: np.ndarray
    faults: np.ndarray
    severities: np.ndarray
    quality: float
    kind: str
    whole: np.ndarray
    """The picture itself, H x W x 3 uint8."""


def sample(sources: Sources, seed: int, index: int, per_side: int = PER_SIDE) -> Finished:
    """Make the sample of an index; ``per_side`` as of `views`, some of whose places may repeat."""
    rng = np.random.default_rng((seed, index))
    draw = Draw(rng, torch.Generator().manual_seed(int(rng.integers(2**62))))
    made = _healthy(sources, draw) if draw.chance(HEALTHY) else _ailing(sources, draw)
    whole, healthy = _encoded(made, draw)
    seen = views(whole, per_side)
    places = seen.places[np.resize(np.arange(len(seen.places)), per_side**2)]
    return Finished(
        places,
        seen.scene,
        np.array([made.faults.get(name, 0.0) for name in FAULTS], np.float32),
        np.array([made.severities.get(name, 0.0) for name in FAULTS], np.float32),
        similarity(whole, healthy),
        made.kind,
        whole,
    )


def to_uint8(image: Tensor) -> np.ndarray:
    """3 x H x W in [0, 1] -> H x W x 3."""
    return (image.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()


def similarity(one: np.ndarray, other: np.ndarray) -> float:
    """Mean SSIM of luma (Wang et al., TIP 2004; Gaussian of 1.5 pixels), cut to [0, 1]."""
    x, y = (cv2.cvtColor(p, cv2.COLOR_RGB2GRAY).astype(np.float32) for p in (one, other))

    def mean(p: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(p, (11, 11), 1.5)

    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    ssim = (2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    return float(np.clip(ssim.mean(), 0, 1))


# Bases


def _window(arrays: list[np.ndarray], draw: Draw, least: float = 0.5) -> list[np.ndarray]:
    """Cut the same window of reduced pictures, so that no fault is known by its resolution."""
    scale = draw.uniform(least, 1) if draw.chance(0.7) else 1.0
    if draw.chance(0.35):  # the whole scene
        scale = min(scale, 400 / min(arrays[0].shape[:2]))
    height, width = (max(8, round(side * scale)) for side in arrays[0].shape[:2])
    if scale < 1:
        arrays = [cv2.resize(a, (width, height), interpolation=cv2.INTER_AREA) for a in arrays]
    side, aspect = draw.log_uniform(150, 448), draw.log_uniform(0.7, 1.4)
    if draw.chance(0.05):
        side = draw.log_uniform(24, 150)
    h, w = min(height, round(side * aspect)), min(width, round(side / aspect))
    top, left = int(draw.rng.integers(height - h + 1)), int(draw.rng.integers(width - w + 1))
    cut = [a[top : top + h, left : left + w] for a in arrays]
    return [a[:, ::-1] for a in cut] if draw.chance(0.5) else cut


def _tensor(array: np.ndarray) -> Tensor:
    """H x W x 3 uint8 or H x W float -> C x H x W float32; uint8 goes to [0, 1]."""
    plain = torch.from_numpy(np.ascontiguousarray(array))
    if plain.dtype == torch.uint8:
        return plain.permute(2, 0, 1).float() / 255
    return plain[None].float()


def _photograph(sources: Sources, draw: Draw) -> Tensor:
    kinds, shares = ("clean", "realnoise", "blur", "lowlight", "haze"), (0.7, 0.06, 0.06, 0.1, 0.08)
    kind = kinds[draw.rng.choice(len(kinds), p=shares)]
    return _tensor(_window([pixels(sources.draw(kind, draw.rng).healthy)], draw)[0])


def _healthy(sources: Sources, draw: Draw) -> Sample:
    names = list(KINDS)
    kind = names[draw.rng.choice(len(names), p=[KINDS[name][0] for name in names])]
    image = KINDS[kind][1](_photograph(sources, draw), draw)
    return Sample(image, image, kind)


def _ailing(sources: Sources, draw: Draw) -> Sample:
    makers = (_with_faults, _real_noise, _real_blur, _real_darkness, _haze_of_depth)
    maker = makers[draw.rng.choice(len(makers), p=(0.62, 0.12, 0.08, 0.08, 0.10))]
    return maker(sources, draw)


def _with_faults(sources: Sources, draw: Draw) -> Sample:
    if draw.chance(0.65):
        image = _photograph(sources, draw)
        made = Sample(image, image)
        if draw.chance(0.3):
            made.image = made.healthy = by_taste(image, draw)
    else:
        made = _healthy(sources, draw)
    count = 1 + int(draw.rng.choice(len(_COUNTS), p=_COUNTS))
    chosen = set(draw.rng.choice(len(MAKEABLE), count, replace=False, p=SHARES))
    for index, name in enumerate(MAKEABLE):
        if index in chosen:
            FAULT_MAKERS[name](made, draw)
    return made


# Faults of real pairs


def _real_noise(sources: Sources, draw: Draw) -> Sample:
    item = sources.draw("realnoise", draw.rng)
    least = 0.75 if draw.chance(0.4) else 1.0
    healthy, noisy = map(_tensor, _window([pixels(item.healthy), pixels(item.other)], draw, least))
    made = Sample(noisy, healthy, "real noise")
    _note_noise(made, _sigma(noisy, healthy), weakest=0.8, certain=1.8)
    return made


def _real_blur(sources: Sources, draw: Draw) -> Sample:
    item = sources.draw("blur", draw.rng)
    healthy, blurred = map(_tensor, _window([pixels(item.healthy), pixels(item.other)], draw, 0.6))
    made = Sample(blurred, healthy, "real blur")
    # Without motion or texture the label is unknown.
    made.faults["blur"] = 1.0 if _sigma(blurred, healthy) > 4 else UNKNOWN
    made.severities["blur"] = UNKNOWN
    return made


def _real_darkness(sources: Sources, draw: Draw) -> Sample:
    item = sources.draw("lowlight", draw.rng)
    healthy, dark = map(_tensor, _window([pixels(item.healthy), pixels(item.other)], draw))
    made = Sample(dark, healthy, "real darkness")
    exposure = float(to_linear(dark).mean() / to_linear(healthy).mean().clamp(min=1e-4))
    _note_darkness(made, exposure)
    made.faults["noise"] = made.severities["noise"] = UNKNOWN
    if draw.chance(0.25):
        _add_noise(made, draw)
    return made


def _haze_of_depth(sources: Sources, draw: Draw) -> Sample:
    item = sources.draw("haze", draw.rng)
    image, far = map(_tensor, _window([pixels(item.healthy), depth(item.other)], draw))
    made = Sample(image, image, "haze of depth")
    _add_haze(made, draw, far.clamp(min=1e-3)[None])
    if draw.chance(0.2):
        _add_noise(made, draw)
    return made


# Faults that are made


def _add_haze(made: Sample, draw: Draw, far: Tensor | None = None) -> None:
    severity = draw.uniform(0.05, 1)
    median = 0.2**severity
    ranges = Haze(median=(median, median), none=0)
    if draw.chance(0.3):
        ranges = replace(ranges, airlight=(0.5, 0.8), white=0)  # a dull day
    image = made.image[None]
    metric = None if far is None else torch.zeros(1, dtype=torch.bool)
    made.image = haze(image, draw.torch, ranges, depth=far, metric=metric)[0]
    # White pages and black nights hide it.
    change = _sigma(made.image, image[0])
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
    label = mean - 1.2 if _sigma(made.image, before) > 2 else UNKNOWN
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
    if label > 0 and _sigma(made.image, before[0]) < 2.5:
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
    _note_darkness(made, exposure)
    if dark:
        made.faults["darkness"] = UNKNOWN
    if noisy and not made.faults.get("noise"):
        made.faults["noise"] = made.severities["noise"] = UNKNOWN


def _add_noise(made: Sample, draw: Draw) -> None:
    before = made.image.clamp(0, 1)
    kind = draw.rng.choice(3, p=(0.5, 0.4, 0.1))
    if kind == 1:
        shot = draw.log_uniform(1e-4, 1.2e-2)
        ranges = replace(CameraNoise(), shot=(shot, shot), jpeg=0)
        made.image = camera_noise(before[None], draw.torch, ranges)[0]
        sigma = _sigma(made.image, before)
    else:
        sigma = draw.uniform(1, 55) if draw.chance(0.7) else draw.log_uniform(1, 12)
        noise = gaussian_noise(torch.zeros_like(before), sigma / 255, draw.torch)
        if kind == 2:  # of one colour, as in grey pictures
            noise = noise[:1].expand_as(noise)
            before = (before * LUMA).sum(0, keepdim=True).expand_as(before)
        made.image = (before + noise).clamp(0, 1)
    _note_noise(made, sigma, weakest=2.0, certain=4.5)


def _add_blocks(made: Sample, draw: Draw) -> None:
    quality = int(draw.rng.integers(6, 75))
    made.image = _tensor(_jpeg(to_uint8(made.image), quality, draw))
    _note(made, "blocks", (78 - quality) / 18, (90 - quality) / 80)


FAULT_MAKERS = {
    "haze": _add_haze,
    "rain": _add_rain,
    "blur": _add_blur,
    "darkness": _add_darkness,
    "noise": _add_noise,
    "blocks": _add_blocks,
}


def _note(made: Sample, fault: str, label: float, severity: float) -> None:
    if label != label:
        made.faults[fault], made.severities[fault] = UNKNOWN, UNKNOWN
    else:
        made.add(fault, label, severity)


def _note_noise(made: Sample, sigma: float, weakest: float, certain: float) -> None:
    made.add("noise", (sigma - weakest) / (certain - weakest), sigma / 55)


def _note_darkness(made: Sample, exposure: float) -> None:
    """By the loss of light; what still looks like a usual picture is left open."""
    severity = math.log(max(exposure, 1e-4)) / math.log(1 / 30)
    label = (severity - 0.2) / 0.2
    luma = float((made.image * LUMA).sum(0).mean())
    _note(made, "darkness", label if luma < 0.4 or label <= 0 else UNKNOWN, severity)


def _sigma(one: Tensor, other: Tensor) -> float:
    """Root mean square of a difference, 0 to 255."""
    return 255 * float((one.clamp(0, 1) - other.clamp(0, 1)).square().mean().sqrt())


# Files


def _jpeg(image: np.ndarray, quality: int, draw: Draw) -> np.ndarray:
    file = io.BytesIO()
    subsampling = 0 if draw.chance(0.3) else 2
    Image.fromarray(image).save(file, "JPEG", quality=quality, subsampling=subsampling)
    with Image.open(file) as decoded:
        return np.array(decoded.convert("RGB"))


def _encoded(made: Sample, draw: Draw) -> tuple[np.ndarray, np.ndarray]:
    """As a file holds it: 8 bits, and nearly half of them JPEG of good quality; with the healthy
    picture."""
    whole, healthy = to_uint8(made.image), to_uint8(made.healthy)
    if draw.chance(0.45):
        whole = _jpeg(whole, int(draw.rng.integers(84, 98)), draw)
    if draw.chance(0.25) and min(whole.shape[:2]) > 16:  # blocks need not begin at the first pixel
        top, left = (int(n) for n in draw.rng.integers(8, size=2))
        whole, healthy = (np.ascontiguousarray(p[top:, left:]) for p in (whole, healthy))
    return whole, healthy
