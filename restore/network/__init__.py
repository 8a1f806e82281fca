"""MAXIM in plain torch: no files, no images, no prints. Imports torch and itself."""

from restore.network.config import VARIANTS, MaximConfig
from restore.network.initialise import initialise
from restore.network.maxim import Maxim

__all__ = ["VARIANTS", "Maxim", "MaximConfig", "initialise"]
