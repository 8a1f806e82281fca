from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from tiny_run import CONFIG, NETWORK

from restore.errors import ConfigError
from restore.networks.maxim import VARIANTS
from restore.train.config import TrainConfig


@pytest.mark.parametrize(
    "config",
    [TrainConfig(), CONFIG, replace(CONFIG, patches=((32, 64), (96, 32)), betas=(0.8, 0.9))],
)
def test_a_config_survives_json(config: TrainConfig) -> None:
    back = TrainConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert back == config
    assert hash(back) == hash(config)


def test_fields_left_open_have_their_defaults() -> None:
    config = TrainConfig.from_dict({"steps": 7, "network": {"variant": "S-1"}})
    assert config == TrainConfig(steps=7, network=VARIANTS["S-1"])


WRONG = [
    *[("steps", value) for value in (0, -1, 10.5, "many", True, None)],
    ("pixels_per_step", 0),
    ("seed", -1),
    ("warmup_steps", -1),
    *[("learning_rate", value) for value in (0, -1e-3, float("nan"), float("inf"), "1e-3")],
    ("clip_norm", 0),
    ("charbonnier_eps", 0),
    ("fft_weight", -0.1),
    ("weight_decay", None),
    *[("ema_decay", value) for value in (-0.1, 1.1, "0.9")],
    ("final_learning_rate", 2),
    ("holdout", 1.5),
    *[("plain", value) for value in (-0.1, 1.1, None)],
    *[("betas", value) for value in (0.9, [0.9], [0.9, 1.0], ["0.9", 0.99])],
    *[("precision", value) for value in ("float16", 32, ["auto"])],
    *[("patches", value) for value in (64, [], [64], [[32]], [[0, 32]], [[-32, 32]], [["32", 32]])],
    *[("sides", value) for value in (1, [], [-1], [1.5], ["1"], [True])],
    *[("align", value) for value in (1, "yes", None)],
    *[("network", value) for value in ("S-1", None, [1])],
    *[("supervision", value) for value in ("coarse", 1, None)],
    *[("target_draws", value) for value in (0, 1.5)],
    *[(name, value) for name in ("task", "init", "target_model") for value in (5, None, [])],
    ("learning_rate", 10**400),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_value_is_named(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=rf"^{name} is "):
        TrainConfig.from_dict({"network": NETWORK.to_dict(), name: value})


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (
            {"leraning_rate": 1},
            "unknown training field 'leraning_rate'; did you mean 'learning_rate'?",
        ),
        ({"xyzzy": 1}, "unknown training field 'xyzzy'"),
        ({"network": {"feature": 1}}, "unknown network field 'feature'; did you mean 'features'?"),
        (
            {"network": {"varient": "S-1"}},
            "unknown network field 'varient'; did you mean 'variant'?",
        ),
        ({"network": {"variant": ["S-1"]}}, "network.variant is ['S-1']; it must be text"),
        (
            {"network": {"features": 0}},
            "network.features is 0; it must be a whole number of at least 1",
        ),
        (
            {"network": {"depth": "3"}},
            "network.depth is '3'; it must be a whole number of at least 1",
        ),
    ],
)
def test_an_unknown_field_and_a_wrong_network_are_named(values: dict, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        TrainConfig.from_dict(values)
    assert str(caught.value) == told


@pytest.mark.parametrize("patch", [(32, 48), (16, 32)])
def test_patches_must_fit_the_network(patch: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match=f"patches holds {patch[0]} x {patch[1]}.*32 x 32"):
        replace(CONFIG, patches=((64, 64), patch))
