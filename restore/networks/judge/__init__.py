"""The network behind `restore.inspect.judge`: places and the scene of a picture through one trunk.

It makes no images, and is therefore not in the table of `restore.networks`.
"""

from __future__ import annotations

from restore.networks.judge.config import FAULTS, SIDE, JudgeConfig

__all__ = ["FAULTS", "SIDE", "JudgeConfig"]
