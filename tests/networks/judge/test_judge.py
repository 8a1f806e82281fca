"""The judge's network, with both kinds of blocks."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from restore.errors import ConfigError, SizeError
from restore.networks.judge import FAULTS, JudgeConfig
from restore.networks.judge.network import (
    PLACE,
    SCENE,
    AskedHeads,
    JudgeNetwork,
    Trunk,
    initialise,
)
from restore.networks.judge.statistics import Statistics, blockiness, directions

TRUNKS = ["maxvit", "dualvit"]


HEADS = AskedHeads((torch.square,), (torch.sqrt,))
NO_HEADS = AskedHeads()


def small(trunk: str, **fields: object) -> JudgeConfig:
    shape = {"stem": 8, "channels": (8, 16), "depths": (1, 2), "head": 8, "tokens": 4, "hidden": 16}
    return JudgeConfig(trunk, **shape | fields)  # type: ignore[arg-type]


def operations(trunk: Trunk, side: int) -> float:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        trunk(torch.zeros(1, 3, side, side), PLACE)
    return counter.get_total_flops() / side**2


@pytest.mark.parametrize("name", TRUNKS)
def test_operations_are_linear_in_pixels(name: str) -> None:
    trunk = Trunk(small(name)).eval().requires_grad_(False)
    found = [operations(trunk, side) for side in (64, 128, 256)]
    # All but the weights of channels and the semantic tokens among each other.
    assert max(found) < 1.03 * min(found)


@pytest.mark.parametrize("trunk", TRUNKS)
def test_every_parameter_learns(trunk: str) -> None:
    torch.manual_seed(0)
    asking = small(trunk, place_models=("square",), places_asked=(2,), scene_models=("sqrt",))
    network = initialise(JudgeNetwork(asking))
    verdict = network(torch.rand(2, 3, 3, 128, 128), torch.rand(2, 3, 128, 128), HEADS)
    assert verdict.faults.shape == verdict.severities.shape == (2, len(FAULTS))
    assert (verdict.places.shape, verdict.quality.shape) == ((2, 3, len(FAULTS)), (2,))
    sum(part.sum() for part in verdict).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("name", TRUNKS)
def test_any_pixel_of_a_view_counts(name: str) -> None:
    torch.manual_seed(0)
    trunk = Trunk(small(name)).eval()
    view = torch.rand(1, 3, 64, 64, requires_grad=True)
    trunk(view, SCENE).square().sum().backward()
    assert view.grad is not None
    assert (view.grad[0].abs().amax(0) > 0).float().mean() > 0.99


def test_order_of_places_does_not_count() -> None:
    torch.manual_seed(0)
    network = JudgeNetwork(small("maxvit")).eval()
    places, scene = torch.rand(1, 3, 3, 128, 128), torch.rand(1, 3, 128, 128)
    with torch.no_grad():
        one, other = network(places, scene, NO_HEADS), network(places.flip(1), scene, NO_HEADS)
    torch.testing.assert_close(one.faults, other.faults)


def test_statistics_of_flat_and_odd_views_are_finite() -> None:
    noise = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    views = torch.cat((torch.zeros_like(noise), torch.ones_like(noise), noise, noise.round()))
    found = Statistics()(views)
    assert found.shape == (4, Statistics().count)
    assert found.isfinite().all()
    assert found.abs().max() < 20


def test_blockiness_and_rain_show_in_their_statistics() -> None:
    noise = torch.rand(1, 1, 128, 128, generator=torch.Generator().manual_seed(0)) * 255
    blocks = (
        torch.nn.functional.avg_pool2d(noise, 8).repeat_interleave(8, 2).repeat_interleave(8, 3)
    )
    aligned, worst, *_ = blockiness(blocks)
    moved, still_worst, *_ = blockiness(blocks.roll(3, 2))
    assert aligned.item() > 1.5
    assert aligned.item() == pytest.approx(worst.item())
    assert moved.item() < 0
    assert still_worst.item() > 1.5
    streaks = noise[:, :, :1].expand_as(noise).contiguous()  # all vertical
    assert directions(streaks)[1].item() > 0.9
    assert directions(noise)[1].item() < 0.2


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(ConfigError, match="trunk is 'vgg'"):
        JudgeConfig("vgg")
    with pytest.raises(ConfigError, match="do not divide"):
        JudgeConfig(window=48)
    with pytest.raises(ConfigError, match="no field depth"):
        JudgeConfig.from_dict({"depth": 3})
    with pytest.raises(ConfigError, match="as many"):
        JudgeConfig(place_models=("derain-small",))
    with pytest.raises(SizeError, match="multiple of"):
        JudgeNetwork(small("maxvit"))(
            torch.rand(1, 1, 3, 64, 64), torch.rand(1, 3, 64, 64), NO_HEADS
        )
    config = small("dualvit", place_models=("a",), places_asked=(1,), scene_models=("b",))
    assert JudgeConfig.from_dict(config.to_dict()) == config
