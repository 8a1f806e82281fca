"""Judgements to order, and tiny models of every head, for tests of what is done with them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from models import save_model

from restore.checkpoints import store
from restore.heads import HEADS
from restore.inspect import FAULTS, Judgement, judge_model
from restore.inspect.judge_model import JudgeCard
from restore.networks.judge.config import JudgeConfig


def judgement(quality: float, severity: float = 0.5, **probabilities: float) -> Judgement:
    """Every fault that is not named has probability 0.01."""
    return Judgement(
        {fault: probabilities.get(fault, 0.01) for fault in FAULTS},
        dict.fromkeys(FAULTS, severity),
        quality,
        (),
    )


class Script:
    """A judge that gives these judgements, one after the other, and keeps what it was shown."""

    def __init__(self, *judgements: Judgement):
        self.left: Iterator[Judgement] = iter(judgements)
        self.shown: list[np.ndarray] = []

    def __call__(self, pixels: np.ndarray) -> Judgement:
        self.shown.append(pixels)
        return next(self.left)


def use(monkeypatch: pytest.MonkeyPatch, *judgements: Judgement, threshold: float = 0.5) -> Script:
    """Let `AutoRestorer` have these judgements, of a judge with these thresholds."""
    script = Script(*judgements)
    same = dict.fromkeys(FAULTS, (1.0, 0.0))
    card = JudgeCard(JudgeConfig(), "", same, same, dict.fromkeys(FAULTS, threshold), {})
    monkeypatch.setattr("restore.automatic.auto_restorer.shipped_judge", script)
    monkeypatch.setattr(judge_model, "card", lambda: card)
    return script


def use_tiny_models(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Ship one tiny model for each head, of qualities fast and standard."""
    folder.mkdir(exist_ok=True)
    for head in HEADS.values():
        for name in (head.fast, head.standard):
            save_model(folder, name=name, task=head.name)
    monkeypatch.setattr(store, "shipped_folder", lambda: folder)
    monkeypatch.setenv("RESTORE_HOME", str(folder / "no-home"))
