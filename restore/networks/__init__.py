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
from restore.networks.nafnet import NafnetArchitecture

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
    "architecture_named",
    "architecture_of",
    "build",
    "config_from_dict",
    "config_to_dict",
    "initialise",
    "variants",
]

ARCHITECTURES: Mapping[str, Architecture] = {
    architecture.name: architecture
    for architecture in (
        MaximArchitecture(),
        NafnetArchitecture(),
    )
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


def architecture_named(values: Mapping[str, Any]) -> Architecture:
    """Return the architecture that a configuration of plain values names; see `config_from_dict`.

    Raises `ConfigError` for an unknown architecture or variant.
    """
    if "architecture" in values:
        name = values["architecture"]
        if name not in ARCHITECTURES:
            raise ConfigError(f"architecture is {name!r}; known are {', '.join(ARCHITECTURES)}")
        return ARCHITECTURES[name]
    if "variant" in values:
        variant, known = values["variant"], variants()
        if variant not in known:
            raise ConfigError(f"variant is {variant!r}; known are {', '.join(known)}")
        return architecture_of(known[variant])
    return ARCHITECTURES[DEFAULT]


def config_from_dict(values: Mapping[str, Any]) -> NetworkConfig:
    """Read a configuration of any architecture.

    ``architecture`` names it, by default that of the ``variant``, else `DEFAULT`. ``variant`` names
    a published shape, which supplies the fields that are left out. Raises `ConfigError` for an
    unknown name or field, or a wrong value.
    """
    values, architecture = dict(values), architecture_named(values)
    values.pop("architecture", None)
    variant = values.pop("variant", None)
    if variant is not None:
        if variant not in architecture.variants:
            known = ", ".join(architecture.variants)
            raise ConfigError(f"variant is {variant!r}; {architecture.title} has {known}")
        values = architecture.variants[variant].to_dict() | values
    return architecture.config(values)


def config_to_dict(config: NetworkConfig) -> dict[str, Any]:
    """Return the fields as JSON values, and the architecture unless it is the default; inverse of
    `config_from_dict`."""
    name = architecture_of(config).name
    return ({} if name == DEFAULT else {"architecture": name}) | config.to_dict()
