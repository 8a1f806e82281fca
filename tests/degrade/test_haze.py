from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

from restore.degrade.haze import Haze, airlight, haze, hazy, transmission

sizes = pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 2), (7, 13), (33, 16)])
UNIT = st.floats(0, 1, width=32)


def seeded(seed: int = 0) -> Generator:
    return torch.Generator().manual_seed(seed)


def colours(n: int = 8, side: int = 32) -> Tensor:
    return torch.rand(n, 3, side, side, generator=seeded(99))


def depths(n: int = 8, side: int = 32) -> Tensor:
    """Metres, as in a room."""
    return 0.5 + 4 * torch.rand(n, 1, side, side, generator=seeded(98))


def seen_transmission(
    ranges: Haze, depth: Tensor | None, n: int = 8, metric: Tensor | None = None, scale: float = 1
) -> Tensor:
    """N x H x W: what `haze` lets through, read off black pictures, where white haze is 1 - t."""
    white = replace(ranges, white=1, none=0)
    veil = haze(torch.zeros(n, 3, 32, 32), seeded(), white, scale, depth, metric)
    return 1 - veil[:, 0]


# Shape, range, seeds


@sizes
@pytest.mark.parametrize("made_up", [True, False], ids=["pseudo-depth", "depth"])
def test_haze_keeps_shape_type_range_and_its_input(size: tuple[int, int], made_up: bool) -> None:
    clean = torch.rand(8, 3, *size, generator=seeded())
    depth = None if made_up else 1 + torch.rand(8, 1, *size, generator=seeded(1))
    before = clean.clone()
    result = haze(clean, seeded(1), depth=depth)
    assert result.shape == clean.shape
    assert result.dtype == torch.float32
    assert result.min() >= 0
    assert result.max() <= 1
    assert not torch.equal(result, clean)
    assert torch.equal(clean, before)


def test_haze_follows_from_its_generator_alone() -> None:
    clean, state = colours(), torch.get_rng_state()
    assert torch.equal(haze(clean, seeded(1)), haze(clean, seeded(1)))
    assert not torch.equal(haze(clean, seeded(1)), haze(clean, seeded(2)))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("made_up", [True, False], ids=["pseudo-depth", "depth"])
def test_no_haze_is_the_picture_itself(made_up: bool) -> None:
    image, depth = 2 * colours() - 0.5, None if made_up else depths()
    assert torch.equal(haze(image, seeded(), scale=0, depth=depth), image.clamp(0, 1))
    assert torch.equal(haze(image, seeded(), Haze(none=1), depth=depth), image.clamp(0, 1))


def test_the_fraction_asked_for_has_no_haze() -> None:
    clean = colours(300, 8)
    same = (haze(clean, seeded(), Haze(none=0.3)) == clean).flatten(1).all(dim=1)
    assert same.float().mean().item() == pytest.approx(0.3, abs=0.08)


# The model


@given(st.floats(1e-3, 1e6), st.floats(0, 10), st.floats(1, 1000))
def test_transmission_is_in_range_and_falls_with_depth(
    depth: float, beta: float, farther: float
) -> None:
    near, far = transmission(torch.tensor([depth, depth * farther]), beta).tolist()
    assert 0 < far <= near <= 1
    if farther > 1.01 and 1e-3 < beta * depth * farther < 50:
        assert far < near


def test_transmission_is_multiplicative_along_the_way() -> None:
    first, second = depths(), depths().flip(3)
    product = transmission(first, 0.7) * transmission(second, 0.7)
    torch.testing.assert_close(transmission(first + second, 0.7), product)


@given(UNIT, UNIT, UNIT)
def test_a_hazy_pixel_lies_between_scene_and_airlight(scene: float, t: float, air: float) -> None:
    seen = hazy(*(torch.full((1, 3, 1, 1), value) for value in (scene, t, air)))
    assert (seen >= min(scene, air) - 1e-6).all()
    assert (seen <= max(scene, air) + 1e-6).all()


def test_a_hazy_picture_lies_between_scene_and_airlight_in_each_channel() -> None:
    clean = colours(16)
    ranges = Haze(airlight=(0.8, 0.8), white=0, tinted=0, none=0)
    seen = haze(clean, seeded(), ranges)
    assert (seen <= clean.clamp(min=0.8) + 1e-6).all()
    assert (seen >= clean.clamp(max=0.8) - 1e-6).all()


def test_the_inverse_of_the_model_finds_the_scene() -> None:
    clean, t = colours(), transmission(depths(), 0.6)
    light = airlight(8, clean, seeded())
    back = (hazy(clean, t, light) - light) / t + light
    clear = (t > 0.1).expand_as(clean)
    assert 0.3 < clear.float().mean() < 1
    torch.testing.assert_close(back[clear], clean[clear], rtol=0, atol=1e-5)


# Its density


@pytest.mark.parametrize("asked", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("made_up", [True, False], ids=["pseudo-depth", "relative depth"])
def test_median_transmission_is_as_asked(asked: float, made_up: bool) -> None:
    depth, metric = (None, None) if made_up else (300 * depths(), torch.zeros(8, dtype=torch.bool))
    t = seen_transmission(Haze(median=(asked, asked)), depth, metric=metric)
    median = t.flatten(1).quantile(0.5, dim=1)
    torch.testing.assert_close(median, torch.full((8,), asked), rtol=0, atol=2e-3)


def test_median_transmission_fills_its_range() -> None:
    t = seen_transmission(Haze(), None, n=200).flatten(1).median(dim=1).values
    assert t.min() == pytest.approx(0.2, abs=0.03)
    assert t.max() == pytest.approx(0.9, abs=0.03)
    assert t.mean() == pytest.approx(0.55, abs=0.04)


@pytest.mark.parametrize("stated", [True, False], ids=["metric stated", "metric by default"])
def test_metric_depth_is_used_as_it_is(stated: bool) -> None:
    depth, metric = depths(), torch.ones(8, dtype=torch.bool) if stated else None
    t = seen_transmission(Haze(beta=(0.8, 0.8)), depth, metric=metric)
    torch.testing.assert_close(t, (-0.8 * depth[:, 0]).exp(), rtol=0, atol=1e-6)


def test_beta_of_metric_depth_fills_its_range() -> None:
    t = seen_transmission(Haze(), torch.ones(200, 1, 32, 32), n=200)[:, 0, 0]
    beta = -t.log()
    assert beta.min() == pytest.approx(0.4, abs=0.04)
    assert beta.max() == pytest.approx(1.6, abs=0.04)
    assert beta.mean() == pytest.approx(1.0, abs=0.08)


def test_metric_and_relative_depth_mix_in_a_batch() -> None:
    ranges, depth = Haze(beta=(0.5, 0.5), median=(0.6, 0.6)), depths()
    metric = torch.arange(8) % 2 == 0
    t = seen_transmission(ranges, depth, metric=metric)
    torch.testing.assert_close(t[::2], (-0.5 * depth[::2, 0]).exp(), rtol=0, atol=1e-6)
    median = t[1::2].flatten(1).quantile(0.5, dim=1)
    torch.testing.assert_close(median, torch.full((4,), 0.6), rtol=0, atol=2e-3)


def test_the_unit_of_relative_depth_is_of_no_account() -> None:
    relative = torch.zeros(8, dtype=torch.bool)
    metres = haze(colours(), seeded(), depth=depths(), metric=relative)
    feet = haze(colours(), seeded(), depth=3.28 * depths(), metric=relative)
    torch.testing.assert_close(metres, feet)


@settings(deadline=None, max_examples=20)
@given(st.floats(0.05, 2))
def test_scale_multiplies_the_optical_depth(scale: float) -> None:
    depth = depths()
    t = seen_transmission(Haze(beta=(0.5, 0.5)), depth, scale=scale)
    torch.testing.assert_close(t, (-0.5 * scale * depth[:, 0]).exp(), rtol=0, atol=1e-6)


SEVERITIES = (0.05, 0.2, 0.4, 0.6, 0.8, 1.0)


@pytest.mark.parametrize("made_up", [True, False], ids=["pseudo-depth", "depth"])
def test_more_severe_haze_hides_more_of_every_picture(made_up: bool) -> None:
    clean, depth = colours(), None if made_up else depths()

    def contrast(severity: float) -> Tensor:
        seen = haze(clean, seeded(3), Haze().at(severity), depth=depth)
        return seen.std(dim=(2, 3)).mean(dim=1)

    left = torch.stack([contrast(severity) for severity in SEVERITIES])
    assert (left.diff(dim=0) < 0).all()


def test_the_severest_haze_is_the_densest_of_the_ranges() -> None:
    densest = Haze().at(1)
    assert densest.beta == (1.6, 1.6)
    assert densest.median == pytest.approx((0.2, 0.2))
    assert densest.none == 0
    assert Haze().at(1e-6).median == pytest.approx((1, 1), abs=1e-4)


# Airlight


def test_airlight_comes_white_grey_and_tinted_in_the_shares_asked_for() -> None:
    light = airlight(2000, colours(), seeded())[:, :, 0, 0]
    level = light.mean(dim=1)
    white = (light == 1).all(dim=1)
    grey = (light == light[:, :1]).all(dim=1)
    assert white.float().mean().item() == pytest.approx(0.45, abs=0.04)
    assert grey[~white].float().mean().item() == pytest.approx(0.5, abs=0.04)
    assert light.max() <= 1
    assert level[~white].min() == pytest.approx(0.7, abs=0.03)
    assert level[~white & grey].mean() == pytest.approx(0.85, abs=0.02)
    spread = (light.amax(dim=1) - light.amin(dim=1))[~grey]
    assert 0.05 < spread.max() <= 0.1


def test_dense_haze_shows_its_airlight() -> None:
    ranges = Haze(airlight=(0.75, 0.75), white=0, tinted=0, none=0)
    fog = haze(colours(), seeded(), ranges, depth=torch.full((8, 1, 32, 32), 100.0))
    torch.testing.assert_close(fog, torch.full_like(fog, 0.75))
