from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tiny_run import CONFIG, assert_same, rows, run_until, trainer

from restore.errors import TrainingError
from restore.train import loop
from restore.train.config import TrainConfig
from restore.train.loop import Trainer

LONGER = replace(CONFIG, steps=10)


def test_a_finished_run_is_lengthened(tmp_path: Path) -> None:
    rows(trainer(tmp_path))
    longer = trainer(tmp_path, LONGER)
    assert longer.resume()
    reported = rows(longer)
    assert [row.step for row in reported] == [7, 8, 9, 10]
    first, second = longer.stretches
    assert (first.steps, second.begin, second.steps) == (6, 6, 10)
    rise = [row.learning_rate for row in reported[:3]]  # a warm-up of two steps, from 1 %
    assert rise == pytest.approx([0.505e-3, 1e-3, 1e-3])
    last = CONFIG.learning_rate * CONFIG.final_learning_rate
    assert second.begin_rate == pytest.approx(last)
    assert second.rate(10) == pytest.approx(last)


@pytest.mark.parametrize("moment", [6, 7, 9])
def test_a_lengthened_run_is_the_same_however_often_it_is_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    once = lengthened(tmp_path / "once")
    rows(once)
    cut = lengthened(tmp_path / "cut")
    if moment > 6:
        monkeypatch.setattr(loop, "SAVE_EVERY_SECONDS", 0)  # after every step
        run_until(cut, moment + 1)
    again = trainer(tmp_path / "cut", LONGER)
    assert again.resume()
    assert again.step == moment
    assert again.stretches == once.stretches
    rows(again)
    assert_same(again, once)
    assert again.stretches == once.stretches


def lengthened(folder: Path) -> Trainer:
    rows(trainer(folder))
    run = trainer(folder, LONGER)
    assert run.resume()
    return run


def test_a_run_is_lengthened_twice_with_another_rate(tmp_path: Path) -> None:
    rows(lengthened(tmp_path))
    third = trainer(tmp_path, replace(LONGER, steps=12, learning_rate=1e-4, warmup_steps=0))
    assert third.resume()
    assert [row.learning_rate for row in rows(third)] == pytest.approx([1e-4, 0.505e-4])
    assert [stretch.steps for stretch in third.stretches] == [6, 10, 12]


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (replace(CONFIG, steps=5), "belongs to a run of 6 steps; give steps=6, or more to"),
        (replace(LONGER, seed=1), "belongs to a run with seed = 0, not 1"),
        (replace(CONFIG, learning_rate=1e-4), "belongs to a run with learning_rate = 0.001, not"),
    ],
)
def test_a_run_is_not_lengthened_by_another_one(
    tmp_path: Path, config: TrainConfig, told: str
) -> None:
    rows(trainer(tmp_path))
    with pytest.raises(TrainingError, match=told):
        trainer(tmp_path, config).resume()


def test_an_unfinished_run_is_not_lengthened(tmp_path: Path) -> None:
    cut = trainer(tmp_path)
    cut.run(lambda row: None, should_stop=lambda: cut.step == 4)
    with pytest.raises(TrainingError, match="2 of 6 steps left; finish it with steps=6 before"):
        trainer(tmp_path, LONGER).resume()
