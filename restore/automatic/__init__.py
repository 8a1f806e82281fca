"""Several heads on one image: the faults that it has, in order, each while it helps."""

from restore.automatic.auto_restorer import AutoPlan, AutoRestorer, AutoResult, auto, plan
from restore.automatic.step import Step

__all__ = ["AutoPlan", "AutoRestorer", "AutoResult", "Step", "auto", "plan"]
