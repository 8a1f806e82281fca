"""Every architecture keeps the promises that checkpoints, engine and training rely on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from restore.errors import ConfigError, SizeError
from restore.networks import (
    ARCHITECTURES,
    DEFAULT,
    NetworkConfig,
    architecture_of,
    build,
    config_from_dict,
    config_to_dict,
    initialise,
    variants,
)

ROOT = Path(__file__).resolve().parents[2]
EACH = pytest.mark.parametrize("name", ARCHITECTURES)


def smallest(name: str) -> NetworkConfig:
    """The variant with the fewest parameters."""

    def parameters(config: NetworkConfig) -> int:
        with torch.device("meta"):
            return sum(p.numel() for p in build(config).parameters())

    return min(ARCHITECTURES[name].variants.values(), key=parameters)


def test_no_variant_belongs_to_two_architectures() -> None:
    assert len(variants()) == sum(len(a.variants) for a in ARCHITECTURES.values())


@pytest.mark.parametrize("variant", variants())
def test_configurations_survive_json(variant: str) -> None:
    config = variants()[variant]
    assert config_from_dict({"variant": variant}) == config
    assert config_from_dict(json.loads(json.dumps(config_to_dict(config)))) == config
    assert architecture_of(config).variants[variant] is config


def test_a_configuration_that_names_no_architecture_is_of_the_default() -> None:
    assert architecture_of(config_from_dict({})).name == DEFAULT == "maxim"
    assert "architecture" not in config_to_dict(config_from_dict({}))


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"architecture": "unet"}, "architecture is 'unet'; known are maxim, "),
        ({"variant": "L-1"}, "variant is 'L-1'; known are S-1, "),
        ({"variant": "L-1", "architecture": "maxim"}, "variant is 'L-1'; MAXIM has S-1, "),
    ],
)
def test_unknown_names_are_refused(values: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        config_from_dict(values)


@EACH
def test_networks_start_at_the_identity_and_take_their_multiple_only(name: str) -> None:
    config = smallest(name)
    network = initialise(build(config), torch.Generator().manual_seed(0)).eval()
    height, width = config.size_multiple
    x = torch.rand(1, 3, height, 2 * width, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.equal(network(x), x)
    with pytest.raises(SizeError, match=f"multiple of {width}"):
        network(torch.zeros(1, 3, height, width + 1))


@EACH
def test_every_stage_has_supervised_outputs_and_every_parameter_a_gradient(name: str) -> None:
    config = smallest(name)
    network = initialise(build(config), torch.Generator().manual_seed(0), quiet_branches=False)
    height, width = config.size_multiple
    x = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(1))
    outputs = network.outputs(x)
    assert len(outputs) == config.num_stages
    for stage in outputs:
        scales = [(height >> k, width >> k) for k in range(len(stage))]
        assert [tuple(image.shape[2:]) for image in stage] == scales[::-1]
    torch.testing.assert_close(network(x), outputs[-1][-1])
    torch.stack([image.square().mean() for stage in outputs for image in stage]).sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None] == []
    assert network.first_stages(config.num_stages) is network


def test_an_architecture_is_one_folder_and_one_line() -> None:
    networks = ROOT / "restore" / "networks"
    for name in set(ARCHITECTURES) - {DEFAULT}:
        mentions = [
            path
            for folder in ("restore", "cli")
            for path in (ROOT / folder).rglob("*.py")
            if name in path.read_text().lower() and networks / name not in path.parents
        ]
        assert mentions == [networks / "__init__.py"]


def test_configurations_need_no_torch() -> None:
    code = "import sys, restore.networks as n; n.variants(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
