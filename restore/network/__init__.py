"""MAXIM in plain torch: no files, no images, no prints. Imports torch and itself.

Configurations can be had without torch, which takes over a second to import; the network brings it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from restore.network.config import VARIANTS, MaximConfig

if TYPE_CHECKING:
    from restore.network.initial import initialise
    from restore.network.maxim import Maxim

__all__ = ["VARIANTS", "Maxim", "MaximConfig", "initialise"]


def __getattr__(name: str) -> Any:
    if name == "Maxim":
        from restore.network.maxim import Maxim

        return Maxim
    if name == "initialise":
        from restore.network.initial import initialise

        return initialise
    raise AttributeError(f"module 'restore.network' has no attribute {name!r}")
