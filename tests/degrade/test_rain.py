from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor
from torch.nn import functional as F

from restore.degrade.rain import DENSEST, Layer, Rain, rain, streaks
from restore.degrade.recipes import derain

CLEAR = Rain(veil=0, none=0)
HEAVY, LIGHT = Rain(heavy_fraction=1, none=0), Rain(heavy_fraction=0, none=0)
KINDS = {
    "heavy": replace(HEAVY, veil=0, screened=0),
    "light": replace(LIGHT, veil=0, screened=0),
    "screened": replace(CLEAR, screened=1),
}
kinds = pytest.mark.parametrize("ranges", KINDS.values(), ids=KINDS)
seeds = st.integers(0, 2**32)


def seeded(seed: int = 0) -> Generator:
    return torch.Generator().manual_seed(seed)


def textured(n: int = 32, side: int = 64) -> Tensor:
    """Coarse and fine detail of all brightnesses, as photographs have."""
    total = torch.zeros(n, 3, side, side)
    for cells in (2, 8, 32):
        detail = torch.rand(n, 3, cells, cells, generator=seeded(cells))
        total += F.interpolate(detail, size=(side, side), mode="bicubic") / 3
    return total.clamp(0, 1)


def layer(
    size: tuple[int, int] = (256, 256), n: int = 8, seed: int = 0, **changes: float
) -> Tensor:
    values = {"mean": 0.02, "length": 20, "width": 1.5, "angle": 1.4, "brightness": 0.4} | changes
    tensors = {name: torch.full((n,), float(value)) for name, value in values.items()}
    return streaks(size, seeded(seed), **tensors)


def psnr(image: Tensor, other: Tensor) -> Tensor:
    return -10 * (image - other).square().mean(dim=(1, 2, 3)).log10()


# Layers of streaks


@settings(max_examples=25, deadline=None)
@given(
    seed=seeds,
    size=st.tuples(st.integers(1, 70), st.integers(1, 50)),
    length=st.floats(1, 95),
    mean=st.floats(0, 0.5),
)
def test_streaks_are_never_negative(
    seed: int, size: tuple[int, int], length: float, mean: float
) -> None:
    added = layer(size, 2, seed, length=length, mean=mean)
    assert added.shape == (2, *size)
    assert added.dtype == torch.float32
    assert added.min() >= 0  # and no NaN


@pytest.mark.parametrize("mean", [0.005, 0.05, 0.4])
@pytest.mark.parametrize("length", [5.0, 60.0])
@pytest.mark.parametrize("brightness", [0.05, 0.5])
def test_streaks_add_the_mean_asked_for(mean: float, length: float, brightness: float) -> None:
    added = layer((256, 320), mean=mean, length=length, brightness=brightness)
    # A streak adds about length x width x brightness to the sum; sums of n have noise sqrt(n).
    count = mean * 256 * 320 / (0.65 * brightness * length * 1.5)
    error = 4 * 1.3 / math.sqrt(8 * count) + 0.01
    assert added.mean().item() == pytest.approx(mean, rel=error)


def test_each_layer_has_its_own_mean() -> None:
    asked = torch.tensor([0.0, 0.01, 0.1])
    same = {"length": 12.0, "width": 1.5, "angle": 1.4, "brightness": 0.3}
    added = streaks(
        (300, 300), seeded(), asked, **{k: torch.full((3,), v) for k, v in same.items()}
    )
    torch.testing.assert_close(added.mean(dim=(1, 2)), asked, rtol=0.1, atol=1e-6)


def test_a_lone_streak_is_no_brighter_than_asked() -> None:
    added = layer(mean=0.0005, brightness=0.4, width=2, length=30)
    levels = added.flatten(1).amax(dim=1)
    # Streaks that cross are brighter; few do here.
    assert levels.median() <= 0.4 + 1e-5
    assert levels.median() > 0.3


def test_streaks_get_brighter_when_they_cannot_get_denser() -> None:
    dense = {"length": 6.0, "width": 1.0, "brightness": 0.05}
    begin = DENSEST * 6 * 0.65 * 0.05  # about the mean from which on they do
    below, above = (layer(mean=factor * begin, **dense) for factor in (0.5, 4))
    assert above.mean().item() == pytest.approx(8 * below.mean().item(), rel=0.05)
    assert above.amax() > 4 * below.amax()


@pytest.mark.parametrize("degrees", [45, 70, 90, 110, 135])
def test_streaks_run_in_the_direction_asked_for(degrees: float) -> None:
    added = layer(n=4, angle=math.radians(degrees), length=40, width=2)
    # The autocorrelation near its peak is an ellipse along the streaks.
    power = torch.fft.fft2(added - added.mean()).abs().square().mean(dim=0)
    likeness = torch.fft.fftshift(torch.fft.ifft2(power).real)[108:149, 108:149]
    x, peak = torch.arange(-20.0, 21), likeness.max()
    likeness = likeness.where((likeness > 0.3 * peak) & (torch.hypot(x, x[:, None]) <= 20), 0)
    xx, yy, xy = ((likeness * square).sum() for square in (x**2, x[:, None] ** 2, x * x[:, None]))
    along = math.degrees(0.5 * math.atan2(2 * xy.item(), (xx - yy).item()))
    assert (along - degrees + 90) % 180 - 90 == pytest.approx(0, abs=1.5)


def test_longer_streaks_are_alike_over_a_longer_way() -> None:
    def likeness(length: float) -> float:
        x = layer(n=4, angle=math.pi / 2, length=length)
        x = x - x.mean()
        return ((x[:, 15:] * x[:, :-15]).mean() / x.square().mean()).item()

    assert likeness(10) < 0.1
    assert likeness(30) == pytest.approx(0.5, abs=0.1)
    assert likeness(60) == pytest.approx(0.75, abs=0.1)


# The whole


@settings(max_examples=25, deadline=None)
@given(seed=seeds, height=st.integers(1, 70), width=st.integers(1, 50))
def test_rain_works_at_any_size_and_stays_in_range(seed: int, height: int, width: int) -> None:
    image = torch.rand(3, 3, height, width, generator=seeded(seed))
    before = image.clone()
    rainy = rain(image, seeded(seed))
    assert rainy.shape == image.shape
    assert rainy.dtype == torch.float32
    assert rainy.min() >= 0  # and no NaN
    assert rainy.max() <= 1
    assert torch.equal(image, before)


def test_rain_follows_from_its_generator_alone() -> None:
    image, state = textured(), torch.get_rng_state()
    assert torch.equal(rain(image, seeded(1)), rain(image, seeded(1)))
    assert not torch.equal(rain(image, seeded(1)), rain(image, seeded(2)))
    generator = seeded(1)
    assert not torch.equal(rain(image, generator), rain(image, generator))
    assert torch.equal(torch.get_rng_state(), state)


def test_pictures_of_a_batch_do_not_mix() -> None:
    image = textured(4)
    other = image.clone()
    other[2] = 1 - other[2]
    one, two = rain(image, seeded(), CLEAR), rain(other, seeded(), CLEAR)
    assert torch.equal(one[[0, 1, 3]], two[[0, 1, 3]])
    assert not torch.equal(one[2], two[2])


def test_pictures_of_a_batch_get_different_rain() -> None:
    added = rain(torch.zeros(6, 3, 64, 64), seeded(), CLEAR)
    for i in range(5):
        assert (added[i] - added[i + 1]).abs().max() > 0.02


def test_rain_of_scale_zero_only_clips() -> None:
    image = 2 * textured() - 0.5
    assert torch.equal(rain(image, seeded(), scale=0), image.clamp(0, 1))


def test_no_rain_is_the_picture_itself() -> None:
    image = textured()
    assert torch.equal(rain(image, seeded(), Rain(none=1)), image)


def test_the_fraction_asked_for_is_without_rain() -> None:
    image = torch.full((300, 3, 16, 16), 0.2)
    same = (rain(image, seeded(), Rain(none=0.3)) == image).flatten(1).all(dim=1)
    assert same.float().mean().item() == pytest.approx(0.3, abs=0.08)


@kinds
def test_rain_only_adds_light(ranges: Rain) -> None:
    image = textured()
    assert (rain(image, seeded(), ranges) >= image - 1e-7).all()


@pytest.mark.parametrize("kind", ["heavy", "light"])
def test_rain_adds_the_same_to_all_channels(kind: str) -> None:
    image = 0.9 * textured()
    rainy = rain(image, seeded(), KINDS[kind])
    added = (rainy - image).masked_fill(rainy >= 1, math.nan)
    spread = added.amax(dim=1) - added.amin(dim=1)
    whole = ~spread.isnan()  # no channel is saturated
    assert whole.float().mean() > 0.3
    assert spread[whole].max() < 1e-6


def test_rain_does_not_depend_on_the_picture_behind() -> None:
    dark, bright = (torch.full((16, 3, 64, 64), level) for level in (0.0, 0.3))
    one, two = (rain(x, seeded(), KINDS["heavy"]) for x in (dark, bright))
    torch.testing.assert_close((one + 0.3).clamp(max=1), two, rtol=0, atol=1e-6)


def test_screened_rain_is_weaker_on_bright_ground() -> None:
    dark, bright = (torch.full((16, 3, 64, 64), level) for level in (0.0, 0.6))
    one, two = (rain(x, seeded(), KINDS["screened"]) for x in (dark, bright))
    faint = one < 1
    torch.testing.assert_close((0.6 + 0.4 * one)[faint], two[faint], rtol=0, atol=1e-6)


def test_rain_goes_with_the_scale() -> None:
    black = torch.zeros(16, 3, 64, 64)
    whole, half = (rain(black, seeded(), KINDS["light"], scale) for scale in (1.0, 0.5))
    faint = whole < 1
    torch.testing.assert_close(half[faint], whole[faint] / 2, rtol=0, atol=1e-6)


def test_a_veil_takes_contrast_and_brightens_the_dark() -> None:
    dry = Layer((1e-9, 2e-9), (1, 1), (5.0, 6.0), (0.1, 0.2))
    ranges = Rain(light=dry, heavy=dry, none=0, veil=1)
    image = torch.tensor([0.0, 0.85, 1.0]).repeat(64, 3, 8, 1)
    seen = rain(image, seeded(), ranges).mean(dim=(1, 2))
    transmission = 1 - seen[:, 0] / 0.85
    assert transmission.min() >= 0.8 - 1e-5
    assert transmission.max() > 0.98
    torch.testing.assert_close(seen[:, 1], torch.full((64,), 0.85), rtol=0, atol=1e-5)
    torch.testing.assert_close(seen[:, 2], 0.85 + 0.15 * transmission, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("kind", "ends"), [("heavy", (15, 115)), ("light", (1.5, 25))])
def test_a_picture_gets_the_mean_of_its_kind(kind: str, ends: tuple[float, float]) -> None:
    # A fifth of the rain, and black: else much of it would be cut off at white.
    added = rain(torch.zeros(64, 3, 128, 128), seeded(), KINDS[kind], scale=0.2)
    means = 255 * added.mean(dim=(1, 2, 3)) / 0.2
    low, high = ends
    assert means.min() > 0.3 * low  # few streaks, much chance
    assert means.max() < 1.3 * high
    middle = (low + high) / 2 if kind == "heavy" else (high - low) / math.log(high / low)
    assert means.mean().item() == pytest.approx(middle, rel=0.2)


@pytest.mark.parametrize(("ranges", "low", "high"), [(HEAVY, 6, 24), (LIGHT, 14, 42)])
def test_harm_is_that_of_the_datasets(ranges: Rain, low: float, high: float) -> None:
    # Input PSNR of Rain100H and Rain12 lies within.
    image = textured(48, 128)
    harm = psnr(rain(image, seeded(), ranges), image)
    assert harm.min() > low
    # Heavy rain may be of little mean and screened at once.
    assert harm.quantile(0.95) < high
    assert harm.max() < high + 6


def test_heavy_rain_saturates_a_good_part_of_the_pixels() -> None:
    saturated = (rain(textured(48, 128), seeded(), HEAVY) >= 1).float().mean().item()
    assert 0.03 < saturated < 0.4


def test_the_deraining_recipe_mixes_heavy_light_and_none() -> None:
    added = derain(torch.zeros(300, 3, 32, 32), seeded()).mean(dim=(1, 2, 3))
    assert (added == 0).float().mean().item() == pytest.approx(0.1, abs=0.06)
    assert (added > 25 / 255).float().mean().item() == pytest.approx(0.55, abs=0.12)
