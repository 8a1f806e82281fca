"""Networks made fast for inference: `optimise` swaps the layers of a loaded network.

The plain network is the oracle: `optimise` changes its result by rounding only. A network whose
architecture is not known here runs as it is.
"""

from __future__ import annotations

from typing import TypeGuard

from torch import nn

from restore.networks.fast.layers import keep_weights
from restore.networks.fast.network import FastMaxim
from restore.networks.fast.strips import RowStrips, WholeMaps
from restore.networks.maxim.network import Maxim

__all__ = ["FastMaxim", "RowStrips", "WholeMaps", "keep_weights", "knows_windows", "optimise"]


def optimise(network: nn.Module) -> nn.Module:
    """Return the fast form of a network, on the same parameters, for inference only.

    Move the network to its device and number format first. Returns ``network`` itself where there
    is no fast form.
    """
    return FastMaxim(network) if isinstance(network, Maxim) else network


def knows_windows(network: nn.Module) -> TypeGuard[FastMaxim]:
    """Whether the forward pass accepts, after the image, how layers traverse a map, and windows."""
    return isinstance(network, FastMaxim)
