"""Restore one image with several heads: one for each fault, in order, as long as each helps."""

from restore.automatic.auto_restorer import AutoPlan, AutoRestorer, AutoResult, auto, plan
from restore.automatic.step import Step

__all__ = ["AutoPlan", "AutoRestorer", "AutoResult", "Step", "auto", "plan"]
