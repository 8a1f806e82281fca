"""NAFNet (ECCV 2022): a U-Net of convolutions and gates, without nonlinear activations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from restore.networks.architecture import Architecture
from restore.networks.nafnet.config import VARIANTS, NafnetConfig

if TYPE_CHECKING:
    import torch

    from restore.networks.graph import GraphBuilder
    from restore.networks.nafnet.network import Nafnet

__all__ = ["VARIANTS", "NafnetArchitecture", "NafnetConfig"]


class NafnetArchitecture(Architecture):
    """NAFNet, of any width and depth."""

    name = "nafnet"
    title = "NAFNet"
    paper = "Simple Baselines for Image Restoration, ECCV 2022, arXiv:2204.04676"
    variants = VARIANTS
    config_type = NafnetConfig

    def config(self, values: Mapping[str, Any]) -> NafnetConfig:
        return NafnetConfig.from_dict(values)

    def build(self, config: NafnetConfig) -> Nafnet:
        from restore.networks.nafnet.network import Nafnet

        return Nafnet(config)

    def initialise(
        self, network: Nafnet, generator: torch.Generator, quiet_branches: bool = True
    ) -> None:
        from restore.networks.nafnet.network import initialise

        initialise(network, generator, quiet_branches)

    def add_to_graph(self, config: NafnetConfig, graph: GraphBuilder) -> str:
        from restore.networks.nafnet.graph import NafnetGraph

        return NafnetGraph(config, graph).result()
