from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor
from torch.nn import functional as F

from restore.degrade.lowlight import (
    LowLight,
    dark_noise,
    darken,
    lowlight,
    read_noise,
    shift_colour,
    to_linear,
    to_srgb,
)
from restore.degrade.sensor import sensor_noise

DEGRADATIONS: dict[str, Callable[[Tensor, Generator], Tensor]] = {
    "low light": lowlight,
    "dark noise": dark_noise,
}
degradations = pytest.mark.parametrize("degrade", DEGRADATIONS.values(), ids=DEGRADATIONS)
sizes = pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 2), (7, 13), (33, 16)])

PLAIN = LowLight(gamma=(1, 1), saturation=(1, 1), drift=0, jpeg=0, none=0)
"""Exposure and noise alone."""
SILENT = (1e-12, 1e-12)
"""Shot noise that cannot be seen."""


def seeded(seed: int = 0) -> Generator:
    return torch.Generator().manual_seed(seed)


def colours(n: int = 8, side: int = 32) -> Tensor:
    return torch.rand(n, 3, side, side, generator=seeded(99))


def scenes(n: int = 8, side: int = 64) -> Tensor:
    """Soft shapes with some texture, from dark to bright."""
    coarse = F.interpolate(colours(n, 6), (side, side), mode="bicubic")
    return (0.9 * coarse + 0.1 * colours(n, side)).clamp(0, 1)


def grey(linear: float, n: int = 8, side: int = 64) -> Tensor:
    """Encoded pictures of one level of linear light."""
    return to_srgb(torch.full((n, 3, side, side), linear))


def is_of_8_bits(image: Tensor) -> bool:
    return torch.equal(image, (image * 255).round() / 255)


# Both of them


@degradations
@sizes
def test_a_degradation_keeps_shape_type_range_and_its_input(
    degrade: Callable[[Tensor, Generator], Tensor], size: tuple[int, int]
) -> None:
    clean = torch.rand(8, 3, *size, generator=seeded())
    before = clean.clone()
    result = degrade(clean, seeded(1))
    assert result.shape == clean.shape
    assert result.dtype == torch.float32
    assert result.min() >= 0
    assert result.max() <= 1
    assert not torch.equal(result, clean)
    assert torch.equal(clean, before)


@degradations
def test_a_degradation_follows_from_its_generator_alone(
    degrade: Callable[[Tensor, Generator], Tensor],
) -> None:
    clean, state = colours(), torch.get_rng_state()
    assert torch.equal(degrade(clean, seeded(1)), degrade(clean, seeded(1)))
    assert not torch.equal(degrade(clean, seeded(1)), degrade(clean, seeded(2)))
    assert torch.equal(torch.get_rng_state(), state)


# Low light


def test_well_exposed_is_the_picture_itself() -> None:
    image = 2 * colours() - 0.5
    assert torch.equal(lowlight(image, seeded(), scale=0), image.clamp(0, 1))
    assert torch.equal(lowlight(image, seeded(), LowLight(none=1)), image.clamp(0, 1))


def test_the_fraction_asked_for_is_left_well_exposed() -> None:
    clean = colours(300, 8)
    same = (lowlight(clean, seeded(), LowLight(none=0.3)) == clean).flatten(1).all(dim=1)
    assert same.float().mean().item() == pytest.approx(0.3, abs=0.08)


@settings(deadline=None, max_examples=20)
@given(st.floats(1 / 30, 1 / 2), st.floats(0.3, 1))
def test_mean_light_is_the_exposure_times_the_original(exposure: float, scale: float) -> None:
    clean = scenes()
    ranges = replace(PLAIN, exposure=(exposure, exposure), shot=SILENT)
    low = to_linear(lowlight(clean, seeded(), ranges, scale))
    expected = exposure**scale * to_linear(clean).mean(dim=(1, 2, 3))
    torch.testing.assert_close(low.mean(dim=(1, 2, 3)), expected, rtol=0.01, atol=0)


def test_exposure_is_log_uniform() -> None:
    low = lowlight(grey(0.8, 400, 4), seeded(), replace(PLAIN, shot=SILENT))
    exposure = to_linear(low).mean(dim=(1, 2, 3)) / 0.8
    assert exposure.min() == pytest.approx(1 / 30, rel=0.1)
    assert exposure.max() == pytest.approx(1 / 2, rel=0.1)
    assert exposure.log().mean() == pytest.approx(-math.log(60) / 2, abs=0.12)


SEVERITIES = (0.31, 0.5, 0.75, 1.0)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_a_picture_in_low_light_is_darker(severity: float) -> None:
    clean = scenes(32)
    low = lowlight(clean, seeded(), LowLight().at(severity))
    assert (low.mean(dim=(1, 2, 3)) < 0.8 * clean.mean(dim=(1, 2, 3))).all()


def test_more_severe_low_light_is_darker_and_noisier_in_every_picture() -> None:
    clean = scenes()

    def light_and_noise(severity: float) -> tuple[Tensor, Tensor]:
        ranges = replace(LowLight().at(severity), jpeg=0)
        low = to_linear(lowlight(clean, seeded(3), ranges))
        quiet = to_linear(lowlight(clean, seeded(3), replace(ranges, shot=SILENT)))
        light = quiet.mean(dim=(1, 2, 3))
        return low.mean(dim=(1, 2, 3)), (low - quiet).std(dim=(1, 2, 3)) / light

    levels = [light_and_noise(severity) for severity in (0.05, 0.2, *SEVERITIES)]
    light, noise = (torch.stack(values) for values in zip(*levels, strict=True))
    assert (light.diff(dim=0) < 0).all()
    assert (noise.diff(dim=0) > 0).all()


def test_the_severest_low_light_is_the_darkest_of_the_ranges() -> None:
    darkest = LowLight().at(1)
    assert darkest.exposure == pytest.approx((1 / 30, 1 / 30))
    assert darkest.shot == pytest.approx((2e-3, 2e-3))
    assert darkest.none == 0
    assert LowLight().at(1e-6).exposure == pytest.approx((1, 1), abs=1e-4)


def test_scale_leads_steadily_to_the_picture_itself() -> None:
    clean = scenes()
    ranges = LowLight(none=0, jpeg=0)
    harm = [
        (lowlight(clean, seeded(), ranges, scale) - clean).square().mean().item()
        for scale in (0.001, 0.1, 0.3, 0.6, 1.0)
    ]
    assert harm == sorted(harm)
    assert harm[0] < 1e-4 < 1e-2 < harm[-1]


@pytest.mark.parametrize("jpeg", [0.0, 1.0], ids=["plain", "JPEG"])
def test_a_picture_in_low_light_has_8_bits(jpeg: float) -> None:
    assert is_of_8_bits(lowlight(colours(), seeded(), LowLight(jpeg=jpeg, none=0)))


@pytest.mark.parametrize("fraction", [0.0, 0.4, 1.0])
def test_jpeg_touches_the_fraction_asked_for_and_nothing_else(fraction: float) -> None:
    clean = colours(60, 16)
    ranges = LowLight(exposure=(0.5, 0.5), none=0, jpeg_quality=(70, 70))
    plain, some = (lowlight(clean, seeded(), replace(ranges, jpeg=f)) for f in (0, fraction))
    changed = (some != plain).flatten(1).any(dim=1).float().mean().item()
    assert changed == pytest.approx(fraction, abs=0.15 if 0 < fraction < 1 else 0)


# Its parts


def test_darkening_takes_white_to_the_exposure_and_dark_parts_further() -> None:
    light, exposure = torch.rand(8, 3, 9, 9, generator=seeded()), torch.full((8,), 0.1)
    white = darken(torch.ones(8, 3, 1, 1), exposure, torch.full((8,), 1.4))
    torch.testing.assert_close(white, torch.full((8, 3, 1, 1), 0.1))
    assert (darken(light, exposure, torch.full((8,), 1.4)) < 0.1 * light).all()
    torch.testing.assert_close(darken(light, exposure, torch.ones(8)), 0.1 * light)


def test_saturation_pulls_to_grey_of_the_same_luminance() -> None:
    light = colours()
    weights = torch.tensor([0.2126, 0.7152, 0.0722])[:, None, None]
    for saturation in (0.0, 0.4, 1.0):
        pulled = shift_colour(light, torch.ones(8, 3), torch.full((8,), saturation))
        torch.testing.assert_close((pulled * weights).sum(dim=1), (light * weights).sum(dim=1))
        ranges = (image.amax(dim=1) - image.amin(dim=1) for image in (pulled, light))
        left, before = ranges
        torch.testing.assert_close(left, saturation * before, rtol=1e-4, atol=1e-6)


def test_white_balance_drifts_within_its_bounds_and_leaves_green() -> None:
    ranges = replace(PLAIN, exposure=(0.5, 0.5), drift=0.15, shot=SILENT)
    low = to_linear(lowlight(grey(0.6, 300, 4), seeded(), ranges)).mean(dim=(2, 3)) / 0.3
    torch.testing.assert_close(low[:, 1], torch.ones(300), rtol=0, atol=0.01)
    for channel in (0, 2):
        assert low[:, channel].max() == pytest.approx(1.15, abs=0.02)
        assert low[:, channel].min() == pytest.approx(1 / 1.15, abs=0.02)


def test_colours_lose_saturation_within_the_bounds() -> None:
    light = torch.tensor([0.8, 0.3, 0.1])[:, None, None].expand(300, 3, 4, 4)
    ranges = replace(PLAIN, exposure=(1, 1), saturation=(0.6, 1.0), shot=SILENT)
    low = to_linear(lowlight(to_srgb(light), seeded(), ranges)).mean(dim=(2, 3))
    left = (low[:, 0] - low[:, 2]) / 0.7
    assert left.min() == pytest.approx(0.6, abs=0.02)
    assert left.max() == pytest.approx(1.0, abs=0.02)


# Noise, in the linear light where it arises


def test_sensor_noise_has_the_variance_asked_for_and_no_bias() -> None:
    shot, read = torch.tensor([1e-3, 1e-4, 0.0]), torch.tensor([1e-6, 0.0, 1e-4])
    light = torch.full((3, 3, 128, 128), 0.2)
    noise = sensor_noise(light, shot, read, seeded())
    expected = read + 0.2 * shot
    torch.testing.assert_close(noise.var(dim=(1, 2, 3)), expected, rtol=0.03, atol=0)
    assert (noise.mean(dim=(1, 2, 3)).abs() < 4 * (expected / 128**2 / 3).sqrt()).all()


@pytest.mark.parametrize("asked", [3e-4, 2e-3])
def test_low_light_has_the_noise_of_its_exposure(asked: float) -> None:
    ranges = replace(PLAIN, exposure=(0.25, 0.25), shot=(asked, asked))
    low = to_linear(lowlight(grey(0.8, 16), seeded(), ranges))
    read = math.exp(2.18 * math.log(asked) + 1.20)  # hardly any next to the shot noise
    assert low.var(dim=(2, 3)).mean().item() == pytest.approx(asked * 0.2 + read, rel=0.06)


def test_read_noise_is_tied_to_shot_noise_as_in_the_paper() -> None:
    log_read = read_noise(torch.full((4000,), 1e-3), seeded()).log()
    assert log_read.mean().item() == pytest.approx(2.18 * math.log(1e-3) + 1.20, abs=0.02)
    assert log_read.std().item() == pytest.approx(0.26, abs=0.01)


@pytest.mark.parametrize("asked", [1e-4, 5e-4])
def test_dark_noise_has_the_variance_asked_for_and_8_bits(asked: float) -> None:
    low = grey(0.1, 16)
    noisy = dark_noise(low, seeded(), (asked, asked), none=0)
    assert is_of_8_bits(noisy)
    noise = to_linear(noisy) - 0.1
    assert noise.var(dim=(2, 3)).mean().item() == pytest.approx(asked * 0.1, rel=0.1)
    assert abs(noise.mean().item()) < 5e-4


def test_dark_noise_leaves_the_fraction_asked_for_alone() -> None:
    low = grey(0.05, 300, 8)
    same = (dark_noise(low, seeded(), none=0.3) == low).flatten(1).all(dim=1)
    assert same.float().mean().item() == pytest.approx(0.3, abs=0.08)


# Linear light


def test_srgb_is_that_of_the_standard() -> None:
    encoded = torch.tensor([0.0, 0.04045, 0.2, 0.5, 1.0])
    linear = torch.tensor([0.0, 0.0031308, 0.0331048, 0.2140411, 1.0])
    torch.testing.assert_close(to_linear(encoded), linear, rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(to_srgb(linear), encoded, rtol=1e-4, atol=1e-6)


def test_every_8_bit_level_survives_linear_light() -> None:
    levels = torch.arange(256) / 255
    torch.testing.assert_close(to_srgb(to_linear(levels)), levels, rtol=0, atol=1e-5)
