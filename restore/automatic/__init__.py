"""Several heads on one image: the faults that it has, in order, each while it helps."""

from restore.automatic.auto_restorer import AutoRestorer, AutoResult, Plan, auto, plan
from restore.automatic.step import Step

__all__ = ["AutoRestorer", "AutoResult", "Plan", "Step", "auto", "plan"]
