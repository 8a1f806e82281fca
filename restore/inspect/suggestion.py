"""What findings mean: a verdict on each, and the head that helps most.

Where healthy pictures end and the others begin comes from the training data (shared/data/train):
224 clean photographs; what `restore degrade` makes of them; real noise, blur and low light; haze by
real depth. Fractions below are of those.
"""

from __future__ import annotations

from dataclasses import dataclass

from restore.heads import HEADS
from restore.inspect.findings import Findings
from restore.inspect.noise_estimate import Noise
from restore.inspect.rain_estimate import RainStreaks

_WHITENESS = 0.75
"""White noise has at least 0.9; all clean photographs but one have less than 0.7."""
_SIGMA, _STRONG_SIGMA = 2.5, 6.0
"""Weaker noise is not worth a head; the head for blur is trained with noise up to 5."""
_GRAIN, _GRAIN_WHITENESS, _GRAIN_FINENESS = 0.45, 0.2, 0.48
"""Noise of cameras at ISO 800 to 6400, after demosaicing and JPEG: in 89 % of 63 real pictures, in
6 % of the means of many shots, in no clean photograph."""
_BLUR = 0.71
"""Exceeded by all 21 frames with real motion blur, and by 4 % of clean photographs, for their
backgrounds."""
_FINENESS = 0.6
"""Where there is more, and it is not noise, something is in focus: all those backgrounds."""
_HAZE = 0.17
"""Exceeded by all haze of real depth (beta 0.6 and more) that leaves anything to see, and by one
clean photograph."""
_THICK_HAZE = 0.35
"""Haze that leaves nothing fine to see; frames with motion blur have up to 0.31."""
_RAIN_AGREEMENT, _RAIN_STRENGTH = 0.1, 4.0
"""Exceeded together by 92 % of rain from drizzle to downpour, and by 2 % of clean photographs."""
_DARKNESS = 0.79
"""A mean luma of 54: below it lie 91 % of 187 underexposed brackets, 3 % of clean photographs."""
_GRAINY_DARKNESS = 0.86
"""A mean luma of 36: underexposed brackets with a camera's noise are darker still, whereas dark
things photographed at high ISO are less so."""
_BLOCKING = 0.9
"""The median of clean photographs at JPEG quality 30; at 75 it is 0.33."""


@dataclass(frozen=True)
class Symptom:
    """On one finding: what was measured, in words, and the head that undoes it, if it is bad."""

    finding: str
    measured: str
    text: str
    head: str | None = None


def head_for(finding: str) -> str | None:
    """Name the head that declares this finding as its own, or None where no head does."""
    return next((head.name for head in HEADS.values() if head.finding == finding), None)


def verdicts(findings: Findings) -> list[Symptom]:
    """One on each finding, in the order of its fields."""
    return [
        _noise(findings.noise),
        _blur(findings.blur, findings.noise),
        _of_number("haze", findings.haze, _HAZE, "clear", "hazy"),
        _rain(findings.rain),
        _of_number("darkness", findings.darkness, _DARKNESS, "light enough", "dark"),
        _of_number("blocks", findings.blocking, _BLOCKING, "none", "of JPEG, which no head undoes"),
    ]


def suggest(findings: Findings) -> str | None:
    """The head that helps most, or None for a picture that none would make better.

    Of several, that against what hides or feigns the others comes first: darkness hides all, rain
    passes for noise, strong noise hides the rest, blur takes contrast as haze does, and haze makes
    what a camera's noise is measured against smooth. Faint noise is last: every head knows it.
    """
    bad = {verdict.finding: verdict.head for verdict in verdicts(findings) if verdict.head}
    noise = findings.noise
    grainy = noise is not None and _is_grainy(noise)
    thick = findings.haze is not None and findings.haze > _THICK_HAZE
    strong = noise is not None and noise.sigma > _STRONG_SIGMA
    candidates = (
        ("darkness", not (grainy and findings.darkness < _GRAINY_DARKNESS)),
        ("rain", True),
        ("noise", strong),
        ("blur", not grainy and not thick),
        ("haze", True),
        ("noise", True),
    )
    return next((bad[name] for name, applies in candidates if applies and name in bad), None)


def _noise(noise: Noise | None) -> Symptom:
    if noise is None:
        return Symptom("noise", "-", "too small or too plain to tell")
    measured = f"sigma {noise.sigma:.1f}, at half size {noise.grain:.1f}, of 255"
    if _is_white(noise):
        return Symptom("noise", measured, "noisy", head_for("noise"))
    if _is_grainy(noise):
        return Symptom("noise", measured, "noisy, as of a camera at high ISO", head_for("noise"))
    return Symptom("noise", measured, "little, or texture")


def _is_white(noise: Noise) -> bool:
    return noise.whiteness > _WHITENESS and noise.sigma > _SIGMA


def _is_grainy(noise: Noise) -> bool:
    return (
        noise.grain > _GRAIN
        and noise.grain_whiteness > _GRAIN_WHITENESS
        and noise.fineness < _GRAIN_FINENESS
    )


def _blur(blur: float | None, noise: Noise | None) -> Symptom:
    verdict = _of_number("blur", blur, _BLUR, "sharp", "blurred")
    fine = noise is not None and noise.fineness > _FINENESS and noise.whiteness < _WHITENESS
    if verdict.head and fine:
        return Symptom("blur", verdict.measured, "in parts; others are sharp")
    return verdict


def _rain(rain: RainStreaks | None) -> Symptom:
    if rain is None:
        return Symptom("rain", "-", "too small to tell")
    measured = f"agreement {rain.agreement:.2f}, gradient {rain.strength:.1f} of 255"
    if rain.agreement > _RAIN_AGREEMENT and rain.strength > _RAIN_STRENGTH:
        return Symptom("rain", measured, "streaks", head_for("rain"))
    return Symptom("rain", measured, "none")


def _of_number(name: str, value: float | None, limit: float, good: str, bad: str) -> Symptom:
    if value is None:
        return Symptom(name, "-", "too small or too plain to tell")
    measured = f"{value:.2f}, at most {limit:.2f} is fine"
    if value > limit:
        return Symptom(name, measured, bad, head_for(name))
    return Symptom(name, measured, good)
