"""The order of steps, their strength, and when they are kept."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from judgements import judgement, use

from restore.automatic.step import FULL_SEVERITY, ORDER, Step, remaining, strength_for
from restore.inspect import FAULTS
from restore.inspect.suggestion import head_for

PAGE = Path(__file__).resolve().parents[2] / "docs" / "auto.md"

STEP = Step("noise", "denoise", "denoise-s1", 1.0, 0.4, 0.9, 0.6)


def test_every_fault_has_a_place_in_the_order() -> None:
    assert sorted(ORDER) == sorted(FAULTS)


def test_the_documentation_shows_the_order() -> None:
    rows = re.findall(r"^\| \d \| (\w+) \| `(\w+)`", PAGE.read_text(encoding="utf-8"), re.M)
    assert rows == [(fault, head_for(fault)) for fault in ORDER if head_for(fault)]


def test_faults_with_a_head_are_listed_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch)
    found = judgement(0.5, darkness=0.9, noise=0.9, blur=0.9, rain=0.9, blocks=0.9, haze=0.4)
    heads = [head for _, head in remaining(found)]
    assert heads == ["derain", "denoise", "deblur", "enhance"]
    assert remaining(found, ["noise", "blur"]) == [("rain", "derain"), ("darkness", "enhance")]
    assert remaining(judgement(0.9)) == []


def test_less_sure_faults_count_where_one_is_sure(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, threshold=0.8)
    assert remaining(judgement(0.5, noise=0.7, darkness=0.6)) == []
    both = [("noise", "denoise"), ("darkness", "enhance")]
    assert remaining(judgement(0.5, noise=0.9, darkness=0.6)) == both
    assert remaining(judgement(0.5, darkness=0.6), ["noise"]) == both[1:]


def test_strength_grows_with_the_severity_up_to_the_full_effect() -> None:
    values = [strength_for(severity) for severity in (0, 0.1, FULL_SEVERITY, 0.6, 1)]
    assert values == pytest.approx([0.5, 0.7, 1, 1, 1])


@pytest.mark.parametrize(
    ("probability", "quality", "kept"),
    [(0.1, 0.7, True), (0.1, 0.6, False), (0.1, 0.5, False), (0.9, 0.7, False), (0.95, 0.7, False)],
)
def test_a_step_is_kept_if_quality_rises_and_the_fault_fades(
    probability: float, quality: float, kept: bool
) -> None:
    done = replace(STEP, probability_after=probability, quality_after=quality)
    assert done.kept is kept
    assert str(done).endswith("; undone") is not kept


def test_a_planned_step_says_why() -> None:
    assert not STEP.kept
    assert str(STEP) == (
        "denoise (denoise-s1, strength 1.00): noise 90% sure, severity 0.40, quality 0.60"
    )
    done = replace(STEP, probability_after=0.03, quality_after=0.75)
    assert str(done) == (
        "denoise (denoise-s1, strength 1.00): noise 90% to 3%, quality 0.600 to 0.750"
    )
