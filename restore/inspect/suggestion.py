"""Findings of a judgement in words, and the head that helps most."""

from __future__ import annotations

from dataclasses import dataclass

from restore.heads import HEADS
from restore.inspect import judge_model
from restore.inspect.findings import Findings
from restore.inspect.judgement import SIGMA, Judgement
from restore.networks.judge.config import FAULTS

FIRST = ("darkness", "rain", "haze", "blur", "noise")
"""Faults with a head, the one that hides or feigns others before those: darkness hides all, rain
passes for noise, haze takes contrast as blur does. Faint noise is known to every head."""
_WORDS = {
    "noise": ("noisy", "clean"),
    "blur": ("blurred", "sharp"),
    "rain": ("streaks", "none"),
    "haze": ("hazy", "clear"),
    "darkness": ("dark", "light enough"),
    "blocks": ("of JPEG, which no head undoes", "none"),
}


@dataclass(frozen=True)
class Symptom:
    """On one fault: what was measured, in words, and the head that undoes it, if it is there."""

    finding: str
    measured: str
    text: str
    head: str | None = None


def head_for(fault: str) -> str | None:
    """Name the head that declares this fault as its own, or None where no head does."""
    return next((head.name for head in HEADS.values() if head.finding == fault), None)


def flagged(judgement: Judgement) -> tuple[str, ...]:
    """Faults that are surely there, by the thresholds on the judge's card."""
    limits = judge_model.card().thresholds
    return tuple(name for name in FAULTS if judgement.probabilities[name] > limits[name])


def suggest(judgement: Judgement) -> str | None:
    """The head that helps most, or None for a picture that none would make better."""
    found = flagged(judgement)
    return next((head_for(fault) for fault in FIRST if fault in found), None)


def symptoms(judgement: Judgement, findings: Findings) -> list[Symptom]:
    """One on each of `FAULTS`, in their order."""
    found = flagged(judgement)
    lines = []
    for fault in FAULTS:
        there = fault in found
        text = _WORDS[fault][0 if there else 1]
        measured = _measured(fault, judgement, findings, there)
        lines.append(Symptom(fault, measured, text, head_for(fault) if there else None))
    return lines


def _measured(fault: str, judgement: Judgement, findings: Findings, there: bool) -> str:
    parts = [f"probability {judgement.probabilities[fault]:.0%}"]
    severity = judgement.severities[fault]
    if there:
        noise = fault == "noise"
        parts.append(f"sigma {SIGMA * severity:.0f}" if noise else f"severity {severity:.2f}")
    number = {"darkness": findings.darkness, "blocks": findings.blocking}.get(fault)
    if fault == "noise" and findings.sigma is not None:
        parts.append(f"smoothest places deviate by {findings.sigma:.1f} of 255")
    elif number is not None:
        parts.append(f"measured {number:.2f}")
    return ", ".join(parts)
