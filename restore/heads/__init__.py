"""The heads: one file each, and one line each in `HEADS`. Imports nothing else of the project."""

from __future__ import annotations

from collections.abc import Mapping

from restore.heads.deblur import DEBLUR
from restore.heads.dehaze import DEHAZE
from restore.heads.denoise import DENOISE
from restore.heads.derain import DERAIN
from restore.heads.enhance import ENHANCE
from restore.heads.head import BEST, FAST, QUALITIES, STANDARD, Head

__all__ = ["BEST", "FAST", "HEADS", "QUALITIES", "STANDARD", "Head"]

HEADS: Mapping[str, Head] = {head.name: head for head in (DENOISE, DEBLUR, DERAIN, DEHAZE, ENHANCE)}
"""By name, in the order of ``restore --help``."""
