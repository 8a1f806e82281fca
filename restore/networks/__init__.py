"""Networks: plain torch, without files and prints. Configurations import no torch.

`ARCHITECTURES` is the one table. Everything outside this package reads configurations, builds
networks and draws fresh weights through the functions here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from restore.errors import ConfigError
from restore.networks.architecture import Architecture, NetworkConfig, Pair
from restore.networks.maxim import MaximArchitecture

if TYPE_CHECKING:
    import torch

    from restore.networks.base import RestorationNetwork

Network = TypeVar("Network", bound="RestorationNetwork")

__all__ = [
    "ARCHITECTURES",
    "DEFAULT",
    "Architecture",
    "NetworkConfig",
    "Pair",
    "architecture_of",
    "build",
    "config_from_dict",
    "config_to_dict",
    "initialise",
    "variants",
]

ARCHITECTURES: Mapping[str, Architecture] = {
    architecture.name: architecture for architecture in (MaximArchitecture(),)
}
DEFAULT = "maxim"
"""The architecture of a card or configuration that names none."""


def architecture_of(config: NetworkConfig) -> Architecture:
    """Return the architecture that a configuration belongs to."""
    return next(a for a in ARCHITECTURES.values() if isinstance(config, a.config_type))


def build(config: NetworkConfig) -> RestorationNetwork:
    """Build the network of a configuration; its parameters are not initialised."""
    return architecture_of(config).build(config)


def initialise(
    network: Network, generator: torch.Generator, quiet_branches: bool = True
) -> Network:
    """Draw fresh weights in place, and return the network; see `Architecture.initialise`."""
    architecture_of(network.config).initialise(network, generator, quiet_branches)
    return network


def variants() -> dict[str, NetworkConfig]:
    """Return the published shapes of all architectures, by name."""
    return {name: config for a in ARCHITECTURES.values() for name, config in a.variants.items()}


def config_from_dict(values: str | Mapping[str, Any]) -> NetworkConfig:
    """Read a configuration: the name of a variant, or fields, of which ``architecture`` says whose
    they are.

    Raises `ConfigError` for an unknown name or a field that is wrong.
    """
    if isinstance(values, str):
        if values not in variants():
            raise ConfigError(f"network is {values!r}; known are {', '.join(variants())}")
        return variants()[values]
    values = dict(values)
    name = values.pop("architecture", DEFAULT)
    if name not in ARCHITECTURES:
        raise ConfigError(f"architecture is {name!r}; known are {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[name].config(values)


def config_to_dict(config: NetworkConfig) -> dict[str, Any]:
    """Return the fields as JSON values, and the architecture unless it is the default; inverse of
    `config_from_dict`."""
    name = architecture_of(config).name
    return ({} if name == DEFAULT else {"architecture": name}) | config.to_dict()
