"""The judge's network, with both kinds of blocks."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from restore.errors import ConfigError, SizeError
from restore.networks.judge import FAULTS, JudgeConfig
from restore.networks.judge.network import JudgeNetwork, initialise

TRUNKS = ["maxvit", "dualvit"]


def small(trunk: str) -> JudgeConfig:
    return JudgeConfig(trunk, stem=8, channels=(8, 16), depths=(1, 2), head=8, tokens=4, hidden=16)


def operations(network: JudgeNetwork, side: int) -> float:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, 1, 3, side, side), torch.zeros(1, 3, side, side))
    return counter.get_total_flops() / side**2


@pytest.mark.parametrize("trunk", TRUNKS)
def test_operations_are_linear_in_pixels(trunk: str) -> None:
    network = JudgeNetwork(small(trunk)).eval().requires_grad_(False)
    found = [operations(network, side) for side in (64, 128, 256)]
    # All but the weights of channels, the semantic tokens among each other, and the last layers.
    assert max(found) < 1.03 * min(found)


@pytest.mark.parametrize("trunk", TRUNKS)
def test_every_parameter_learns(trunk: str) -> None:
    torch.manual_seed(0)
    network = initialise(JudgeNetwork(small(trunk)))
    verdict = network(torch.rand(2, 3, 3, 64, 64), torch.rand(2, 3, 64, 64))
    assert verdict.faults.shape == verdict.severities.shape == (2, len(FAULTS))
    assert (verdict.places.shape, verdict.quality.shape) == ((2, 3, len(FAULTS)), (2,))
    sum(part.sum() for part in verdict).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("trunk", TRUNKS)
def test_any_pixel_of_a_view_counts(trunk: str) -> None:
    torch.manual_seed(0)
    network = JudgeNetwork(small(trunk)).eval()
    place = torch.rand(1, 1, 3, 64, 64, requires_grad=True)
    network(place, torch.rand(1, 3, 64, 64)).faults.sum().backward()
    assert place.grad is not None
    assert (place.grad[0, 0].abs().amax(0) > 0).float().mean() > 0.99


def test_order_of_places_does_not_count() -> None:
    torch.manual_seed(0)
    network = JudgeNetwork(small("maxvit")).eval()
    places, scene = torch.rand(1, 3, 3, 64, 64), torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        one, other = network(places, scene), network(places.flip(1), scene)
    torch.testing.assert_close(one.faults, other.faults)


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(ConfigError, match="trunk is 'vgg'"):
        JudgeConfig("vgg")
    with pytest.raises(ConfigError, match="do not divide"):
        JudgeConfig(window=48)
    with pytest.raises(ConfigError, match="no field depth"):
        JudgeConfig.from_dict({"depth": 3})
    with pytest.raises(SizeError, match="multiple of"):
        JudgeNetwork(small("maxvit"))(torch.rand(1, 1, 3, 20, 20), torch.rand(1, 3, 20, 20))
    config = small("dualvit")
    assert JudgeConfig.from_dict(config.to_dict()) == config
