from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from restore.errors import TrainingError
from restore.train.loop import Progress
from restore.train.record import Record, claimed

SHEET = np.full((4, 6, 3), 7, np.uint8)


def progress(step: int) -> Progress:
    return Progress(step, 100, 2 * step, 0.5, 20.0, 1e-3, 3.0, 8.0, 0.125, 1)


def steps(folder: Path) -> list[int]:
    with open(folder / "log.csv", newline="") as file:
        return [int(row["step"]) for row in csv.DictReader(file)]


def test_a_row_holds_what_was_reported(tmp_path: Path) -> None:
    record = Record(tmp_path, 0)
    record.add(progress(5), None)
    record.add(progress(10), (31.5, SHEET))
    with open(tmp_path / "log.csv", newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["step"], first["patches"], first["loss"]) == ("5", "10", "0.5")
    assert (first["patches_per_second"], first["waiting"]) == ("8.0", "0.125")
    assert first["skipped"] == "1"
    assert (first["validation_psnr"], second["validation_psnr"]) == ("", "31.5")
    assert (tmp_path / "validation.png").is_file()


def test_the_validation_before_the_first_step_is_a_row_and_remembered(tmp_path: Path) -> None:
    record = Record(tmp_path, 0)
    assert record.first_psnr is None
    record.begin(100, (28.25, SHEET))
    record.add(progress(5), (28.5, SHEET))
    with open(tmp_path / "log.csv", newline="") as file:
        start, _ = csv.DictReader(file)
    assert (start["step"], start["steps"], start["patches"]) == ("0", "100", "0")
    assert (start["loss"], start["validation_psnr"]) == ("", "28.25")
    again = Record(tmp_path, 5)
    assert again.first_psnr == 28.25
    assert steps(tmp_path) == [0, 5]


def test_a_resumed_run_drops_the_rows_it_will_make_again(tmp_path: Path) -> None:
    record = Record(tmp_path, 0)
    for step in (5, 10, 15):
        record.add(progress(step), None)
    Record(tmp_path, 10).add(progress(15), None)
    assert steps(tmp_path) == [5, 10, 15]


def test_a_new_run_begins_a_new_log(tmp_path: Path) -> None:
    Record(tmp_path, 0).add(progress(5), None)
    Record(tmp_path, 0)
    assert steps(tmp_path) == []


def test_a_log_cut_in_the_middle_of_a_row_is_taken_up(tmp_path: Path) -> None:
    Record(tmp_path, 0).add(progress(5), None)
    with open(tmp_path / "log.csv", "a") as file:
        file.write("10,100,2")
    Record(tmp_path, 10)
    assert steps(tmp_path) == [5, 10]


def test_a_log_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "log.csv").mkdir()
    with pytest.raises(TrainingError, match=r"log\.csv: cannot be written: Is a directory"):
        Record(tmp_path, 0)


def test_tensorboard_gets_the_same(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    Record(tmp_path, 0, tensorboard=True).add(progress(5), (31.5, SHEET))
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("train/psnr")] == [(5, 20.0)]
    assert [(e.step, e.value) for e in events.Scalars("validation/psnr")] == [(5, 31.5)]
    (image,) = events.Images("validation")
    assert (image.width, image.height) == (6, 4)


def test_a_folder_is_claimed_by_one_run_at_a_time(tmp_path: Path) -> None:
    run = tmp_path / "a" / "run"
    with claimed(run), pytest.raises(TrainingError, match="run: another run is going on"):
        claimed(run).__enter__()
    with claimed(run):
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TrainingError, match="run: cannot be a run's folder"):
        claimed(tmp_path / "file" / "run").__enter__()
