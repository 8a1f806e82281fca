"""One step of a plan: a head, its strength, and its measured effect."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from restore.inspect import Judgement, flagged
from restore.inspect.suggestion import head_for

ORDER = ("blocks", "rain", "noise", "haze", "blur", "darkness")
"""Faults in the order in which they are undone. The file and the sensor come last into a picture
and leave first: other heads would amplify blocks and noise. Rain is the exception, because a
denoised streak is no longer known as one: derain before denoise gains 0.5 dB over the other way
round (weights/recipes/auto_gain.py --images 6). Haze goes before blur, which it hides, and light
comes last, because brightening noise or blur makes both worse."""
FULL_SEVERITY = 0.25
"""Severity from which a head has its full strength."""
FURTHER = 0.5
"""Probability above which a fault of an image counts once another is sure. The judge's thresholds
protect healthy images, and an image with one fault is none; a step that does not help is undone."""
LEAST_STRENGTH = 0.5
"""Strength at severity 0: the judge was sure of the fault."""


@dataclass(frozen=True)
class Step:
    """A head applied to an image, or about to be."""

    fault: str
    """One of `restore.inspect.FAULTS`."""
    head: str
    """One of `restore.TASKS`."""
    model: str
    """Name of the model."""
    strength: float
    """Blend of input and result, 0 to 1."""
    severity: float
    """How bad the fault is, 0 to 1."""
    probability: float
    """Probability of the fault before the step."""
    quality: float
    """Quality before the step, 0 to 1; see `Judgement`."""
    probability_after: float | None = None
    """Probability of the fault after the step; None in a plan."""
    quality_after: float | None = None
    """Quality after the step; None in a plan."""

    @property
    def kept(self) -> bool:
        """Whether the step helped: the quality rose and the fault became less probable."""
        if self.probability_after is None or self.quality_after is None:
            return False
        return self.quality_after > self.quality and self.probability_after < self.probability

    def __str__(self) -> str:
        by = f"{self.head} ({self.model}, strength {self.strength:.2f})"
        if self.probability_after is None or self.quality_after is None:
            sure = f"{self.fault} {self.probability:.0%} sure, severity {self.severity:.2f}"
            return f"{by}: {sure}, quality {self.quality:.2f}"
        change = (
            f"{self.fault} {self.probability:.0%} to {self.probability_after:.0%}, "
            f"quality {self.quality:.3f} to {self.quality_after:.3f}"
        )
        return f"{by}: {change}{'' if self.kept else '; undone'}"


def strength_for(severity: float) -> float:
    """Return the strength for a severity, both 0 to 1: `LEAST_STRENGTH` at 0, 1 from
    `FULL_SEVERITY` on, linear between.

    Heads adapt to the severity themselves. A lower strength only limits the damage where the fault
    is faint and the model would smooth or sharpen more than it repairs.
    """
    return min(1.0, LEAST_STRENGTH + (1 - LEAST_STRENGTH) * severity / FULL_SEVERITY)


def remaining(judgement: Judgement, tried: Collection[str] = ()) -> list[tuple[str, str]]:
    """List (fault, head) of the faults that an image has, in `ORDER`, without the ``tried`` ones
    and those that no head undoes.

    Once a fault is sure, or was when it was tried, others count from `FURTHER` on.
    """
    found = set(flagged(judgement))
    if found or tried:
        found |= {fault for fault in ORDER if judgement.probabilities[fault] > FURTHER}
    pairs = ((fault, head_for(fault)) for fault in ORDER if fault in found and fault not in tried)
    return [(fault, head) for fault, head in pairs if head is not None]
