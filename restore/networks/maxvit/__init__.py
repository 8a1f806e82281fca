"""MaxViT (ECCV 2022, arXiv 2204.01697): the sister of MAXIM for classification, with multi-axis
attention in place of multi-axis gating.

It makes no images, and is therefore not in the table of `restore.networks`.
"""

from __future__ import annotations

from restore.networks.maxvit.config import VARIANTS, MaxvitConfig

__all__ = ["VARIANTS", "MaxvitConfig"]
