"""The declaration of a network architecture; imports no torch.

An architecture is one folder in `restore.networks` and one line in its table, `ARCHITECTURES`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch
    from _typeshed import DataclassInstance

    from restore.networks.base import RestorationNetwork
    from restore.networks.graph import GraphBuilder

Pair = tuple[int, int]
"""Height and width, or down and across."""


def plain_values(config: DataclassInstance) -> dict[str, Any]:
    """Return the fields of a configuration as JSON values: tuples as lists."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(config).items()}


class NetworkConfig(Protocol):
    """The frozen dataclass that fixes every shape of a network."""

    @property
    def size_multiple(self) -> Pair:
        """Height and width of an input must be multiples of these, in pixels."""

    @property
    def num_stages(self) -> int:
        """Stages; each makes a restored image."""

    @property
    def num_outputs(self) -> int:
        """Channels of the result; 3 restores RGB images."""

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values, which `Architecture.config` reads."""


class Architecture(ABC):
    """A family of networks: how to read its configurations, and how to build and start one."""

    name: str
    """As on cards and in training configurations."""
    title: str
    """As in its paper."""
    paper: str
    """Title, venue, year and arXiv number."""
    variants: Mapping[str, NetworkConfig]
    """Published shapes by name; a name belongs to one architecture only."""
    config_type: type
    """The class of its configurations."""

    @abstractmethod
    def config(self, values: Mapping[str, Any]) -> NetworkConfig:
        """Read a configuration. Raises `ConfigError`, naming the field that is wrong."""

    @abstractmethod
    def build(self, config: Any) -> RestorationNetwork:
        """Build the network of a configuration; its parameters are not initialised."""

    @abstractmethod
    def initialise(
        self, network: Any, generator: torch.Generator, quiet_branches: bool = True
    ) -> None:
        """Draw fresh weights in place.

        ``quiet_branches`` starts the last layer of each residual branch at zero, so that training
        begins at the identity.
        """

    @abstractmethod
    def add_to_graph(self, config: Any, graph: GraphBuilder) -> str:
        """Add the network to an ONNX graph, without torch; return the name of the restored picture.

        Raises `CheckpointError` for a missing parameter.
        """
