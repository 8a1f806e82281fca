from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restore.errors import ConfigError
from restore.networks.maxim import VARIANTS, MaximConfig


def test_the_variants_are_the_six_of_the_paper() -> None:
    assert list(VARIANTS) == ["S-1", "S-2", "S-3", "M-1", "M-2", "M-3"]
    assert (VARIANTS["S-3"].features, VARIANTS["S-3"].num_stages) == (32, 3)
    assert (VARIANTS["M-2"].features, VARIANTS["M-2"].num_stages) == (64, 2)
    for config in VARIANTS.values():
        assert config.num_supervision_scales == 3
        assert config.size_multiple == (64, 64)


def test_a_variant_supplies_what_the_other_fields_leave_open() -> None:
    config = MaximConfig.from_dict({"variant": "S-1", "num_supervision_scales": 2})
    assert config.features == 32
    assert config.num_supervision_scales == 2


def test_the_bare_class_has_the_official_defaults() -> None:
    config = MaximConfig()
    assert (config.features, config.num_stages, config.num_groups) == (64, 2, 1)
    assert (config.num_supervision_scales, config.num_bottleneck_blocks) == (1, 1)


@given(st.sampled_from(sorted(VARIANTS)), st.integers(1, 4), st.booleans())
def test_dictionaries_survive_json(variant: str, stem: int, gating: bool) -> None:
    config = MaximConfig.from_dict(
        {"variant": variant, "stem_factor": stem, "use_cross_gating": gating}
    )
    assert MaximConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_a_single_number_means_a_square() -> None:
    assert MaximConfig(block_size_hr=8).block_size_hr == (8, 8)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"features": 0}, "features"),
        ({"features": 1.5}, "features"),
        ({"features": True}, "features"),
        ({"depth": -1}, "depth"),
        ({"num_stages": "two"}, "num_stages"),
        ({"num_supervision_scales": 4}, "num_supervision_scales"),
        ({"block_size_hr": (0, 4)}, "block_size_hr"),
        ({"block_size_lr": [1, 2, 3]}, "block_size_lr"),
        ({"grid_size_hr": "8"}, "grid_size_hr"),
        ({"channels_reduction": 128}, "channels_reduction"),
        ({"input_proj_factor": 1, "features": 3, "channels_reduction": 1}, "input_proj_factor"),
        (
            {
                "features": 6,
                "input_proj_factor": 1,
                "block_gmlp_factor": 1,
                "channels_reduction": 2,
            },
            "block_gmlp_factor",
        ),
        ({"use_bias": 1}, "use_bias"),
        ({"lrelu_slope": float("nan")}, "lrelu_slope"),
        ({"dropout_rate": 0.1}, "dropout_rate"),
        ({"stem_factor": 0}, "stem_factor"),
        ({"variant": "L-1"}, "variant"),
        ({"featrues": 32}, "featrues"),
    ],
)
def test_a_wrong_value_names_itself(values: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        MaximConfig.from_dict(values)


@pytest.mark.parametrize(
    ("changes", "multiple"),
    [
        ({"stem_factor": 2}, (128, 128)),
        ({"depth": 2, "block_size_lr": (8, 4)}, (32, 32)),  # level 1 still has blocks of 16
        ({"depth": 2, "high_res_stages": 0, "block_size_lr": (8, 4)}, (32, 16)),
        ({"grid_size_hr": (48, 16)}, (192, 64)),  # 2 * 48 and 64 together
    ],
)
def test_the_size_rule(changes: dict[str, Any], multiple: tuple[int, int]) -> None:
    assert MaximConfig(**changes).size_multiple == multiple
