"""MAXIM (CVPR 2022) in plain torch, as figure 2 of the paper: for training, export and tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from restore.networks.architecture import Architecture
from restore.networks.maxim.config import VARIANTS, MaximConfig

if TYPE_CHECKING:
    import torch

    from restore.networks.graph import GraphBuilder
    from restore.networks.maxim.network import Maxim

__all__ = ["VARIANTS", "MaximArchitecture", "MaximConfig"]


class MaximArchitecture(Architecture):
    """MAXIM, of any configuration."""

    name = "maxim"
    title = "MAXIM"
    paper = "MAXIM: Multi-Axis MLP for Image Processing, CVPR 2022, arXiv:2201.02973"
    variants = VARIANTS
    config_type = MaximConfig

    def config(self, values: Mapping[str, Any]) -> MaximConfig:
        return MaximConfig.from_dict(values)

    def build(self, config: MaximConfig) -> Maxim:
        from restore.networks.maxim.network import Maxim

        return Maxim(config)

    def initialise(
        self, network: Maxim, generator: torch.Generator, quiet_branches: bool = True
    ) -> None:
        from restore.networks.maxim.initialise import initialise

        initialise(network, generator, quiet_branches)

    def add_to_graph(self, config: MaximConfig, graph: GraphBuilder) -> str:
        from restore.networks.maxim.graph import MaximGraph

        return MaximGraph(config, graph).result()
