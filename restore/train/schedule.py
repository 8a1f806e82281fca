"""The learning rate of a run, and of what a finished run is lengthened by."""

from __future__ import annotations

import math
from dataclasses import dataclass

from restore.train.config import TrainConfig


@dataclass(frozen=True)
class Schedule:
    """The learning rate over one stretch of a run: a linear warm-up, then half a cosine.

    A run that is never lengthened has one stretch. A finished run that is given more steps gets
    a second one: the rate rises again from the last value of the first stretch to
    ``learning_rate`` and falls over the new steps. Continuing at the last rate would teach
    nothing more; rewarming costs some PSNR at first and ends higher (Ibrahim et al., "Simple and
    Scalable Strategies to Continually Pre-train Large Language Models", TMLR 2024). For a short
    stretch, give a lower ``learning_rate``.
    """

    steps: int
    """Step of the run at which the stretch ends."""
    learning_rate: float
    """Highest rate."""
    final_learning_rate: float
    """Rate at the end of the stretch, as a fraction of the highest."""
    warmup_steps: int
    begin: int = 0
    """Step of the run at which the stretch begins."""
    begin_rate: float = 0.0
    """Rate that the warm-up rises from."""

    @classmethod
    def of(cls, config: TrainConfig, after: Schedule | None = None) -> Schedule:
        """Build the schedule that ``config`` asks for, from step 0 or ``after`` another stretch."""
        return cls(
            steps=config.steps,
            learning_rate=config.learning_rate,
            final_learning_rate=config.final_learning_rate,
            warmup_steps=config.warmup_steps,
            begin=after.steps if after else 0,
            begin_rate=after.learning_rate * after.final_learning_rate if after else 0.0,
        )

    def rate(self, step: int) -> float:
        """Return the learning rate of step ``step`` (from 0) of the run."""
        step -= self.begin
        if step < self.warmup_steps:
            rise = self.learning_rate - self.begin_rate
            return self.begin_rate + rise * (step + 1) / self.warmup_steps
        length = self.steps - self.begin
        done = (step - self.warmup_steps) / max(1, length - self.warmup_steps)
        low = self.final_learning_rate
        return self.learning_rate * (low + (1 - low) * (1 + math.cos(math.pi * done)) / 2)
