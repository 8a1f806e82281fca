from __future__ import annotations

import csv
import json
import os
import pty
import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from command import CommandResult, restore
from models import save_model
from PIL import Image
from tiny_run import CONFIG, picture

from restore.checkpoints.card import read_card
from restore.errors import CheckpointError, TrainingError
from restore.files import sha256_of
from restore.media import image as media
from restore.train import job
from restore.train.planning import plan as planned
from restore.train.sources import CLEAN, DISTILL, PAIRS, REHEARSE, Source

PROGRAM = [sys.executable, "-B", "-W", "error", "-m", "restore.cli"]
SHORT = replace(CONFIG, steps=10, holdout=0.5, validate_every=5)


@dataclass(frozen=True)
class TrainingFolder:
    """A folder with pictures, pairs, a configuration and, once trained, a run and a model."""

    root: Path

    def __truediv__(self, name: str) -> Path:
        return self.root / name

    def fill(self) -> TrainingFolder:
        for i, folder in enumerate(("clean", "pairs/input", "pairs/target")):
            (self / folder).mkdir(parents=True)
            for name in ("a.png", "b.png"):
                Image.fromarray(picture(40, 50, seed=i)).save(self / folder / name)
        (self / "empty").mkdir()
        self.configure("config.json")
        return self

    def configure(self, name: str, **changes: object) -> None:
        (self / name).write_text(json.dumps(SHORT.to_dict() | changes))

    def start(self, *words: str, stderr: int = subprocess.PIPE) -> subprocess.Popen[str]:
        settings = {"RESTORE_HOME": str(self / "home"), "OMP_NUM_THREADS": "1", "TERM": "xterm"}
        return subprocess.Popen(
            [*PROGRAM, *words],
            cwd=self.root,
            env=os.environ | settings,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )

    def restore(self, *words: str) -> CommandResult:
        with self.start(*words) as process:
            stdout, stderr = process.communicate(timeout=120)
        return CommandResult(process.returncode, stdout, stderr)


CONFIGURED = ("--config", "config.json")
TRAIN = ("train", "denoise", "--clean", "clean", "--pairs", "pairs", *CONFIGURED)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainingFolder, CommandResult]:
    place = TrainingFolder(tmp_path_factory.mktemp("job")).fill()
    return place, place.restore(*TRAIN, "--run", "run", "--out", "model.safetensors")


@pytest.fixture
def place(trained: tuple[TrainingFolder, CommandResult]) -> TrainingFolder:
    return trained[0]


# Files of a run


@pytest.mark.slow
def test_a_run_says_what_it_did(trained: tuple[TrainingFolder, CommandResult]) -> None:
    _, process = trained
    assert process.code == 0
    assert process.stdout.startswith("run: 10 steps, 20 patches -> model.safetensors (")
    *counts, start, first, line = process.stderr.splitlines()
    assert counts == [
        "clean: 1 pictures to train on, 1 held out",
        "pairs: 1 pairs to train on, 1 held out",
    ]
    assert re.fullmatch(r"step 0 of 10  validation \d+\.\d\d", start)
    assert first.startswith("step 5 of 10  ")
    assert line.startswith("step 10 of 10  loss 0.")
    assert "  20 patches  " in line
    assert re.search(
        r" patches/s  waiting \d+%  validation \d+\.\d\d \([+-]\d\.\d\d since step 0\)$", line
    )


@pytest.mark.slow
def test_a_run_writes_a_log(place: TrainingFolder) -> None:
    with open(place / "run/log.csv", newline="") as file:
        start, _, row = csv.DictReader(file)
    assert (start["step"], start["steps"], start["patches"]) == ("0", "10", "0")
    assert start["loss"] == start["psnr"] == ""
    assert 5 < float(start["validation_psnr"]) < 50
    assert (row["step"], row["steps"], row["patches"]) == ("10", "10", "20")
    assert 0 < float(row["loss"]) < 1
    assert 5 < float(row["psnr"]) < 50
    assert 5 < float(row["validation_psnr"]) < 50


@pytest.mark.slow
def test_a_run_draws_what_it_has_never_seen(place: TrainingFolder) -> None:
    with Image.open(place / "run/validation.png") as sheet:
        # One clean picture and one pair held out, as degraded, restored and clean.
        assert (sheet.mode, sheet.size) == ("RGB", (3 * 256, 2 * 256))
        pixels = np.asarray(sheet)
    assert (pixels[:, 512:] != pixels[:, :256]).any()
    np.testing.assert_array_equal(pixels[:40, 512:562], picture(40, 50, seed=0))


@pytest.mark.slow
def test_a_run_ends_in_a_model_with_its_card(place: TrainingFolder) -> None:
    card = read_card(place / "model.safetensors")
    assert (card.name, card.task, card.network) == ("model", "denoise", SHORT.network)
    assert card.sha256 == sha256_of(place / "model.safetensors")
    sources = card.training["sources"]
    assert [source[:4] for source in sources] == [
        ["clean", "clean", 1, 1],
        ["pairs", "pairs", 1, 1],
    ]
    seen = {"patches_seen": 20, "sources": sources}
    assert card.training == json.loads(json.dumps(SHORT.to_dict())) | seen
    assert [used.name for used in card.training_data] == ["clean", "pairs"]


@pytest.mark.slow
def test_the_model_restores_a_picture(place: TrainingFolder) -> None:
    words = ("denoise", "clean/a.png", "out.png", "--model", "model.safetensors", "--json")
    process = restore(*words, cwd=place.root)
    assert (process.code, process.stderr) == (0, "")
    assert json.loads(process.stdout)["model"] == "model"
    assert media.read(place / "out.png").pixels.shape == (40, 50, 3)


@pytest.mark.slow
def test_a_terminal_shows_a_bar_and_lines_above_it(place: TrainingFolder) -> None:
    ours, theirs = pty.openpty()
    shown = b""
    with place.start(*TRAIN, "--run", "shown", stderr=theirs) as process:
        os.close(theirs)
        with suppress(OSError):  # how Linux says that the other side is closed
            while chunk := os.read(ours, 4096):
                shown += chunk
    os.close(ours)
    assert process.returncode == 0
    assert b"train denoise" in shown
    assert shown.count(b"validation") == 3
    assert b"10/10" in shown


# The same again, in this process


def again(place: TrainingFolder, run: str, out: str, steps: int = 10) -> tuple[str, list[str]]:
    said: list[str] = []
    sources = [Source(kind, place / kind) for kind in (CLEAN, PAIRS)]
    plan = planned("denoise", sources, place / "config.json", steps=steps)
    summary = job.run(
        plan, place / run, out=place / out, place=job.Hardware("cpu"), say=said.append
    )
    return summary, said


@pytest.mark.slow
def test_a_finished_run_is_exported_again_without_a_step(place: TrainingFolder) -> None:
    _, said = again(place, "run", "again.safetensors")
    assert said[-1] == f"{place / 'run'}: resuming at step 10 of 10"
    assert sha256_of(place / "again.safetensors") == sha256_of(place / "model.safetensors")


def test_without_pictures_held_out_there_is_no_validation(tmp_path: Path) -> None:
    place = TrainingFolder(tmp_path).fill()
    place.configure("config.json", holdout=0.0)
    _, said = again(place, "run", "model.safetensors")
    assert "no pictures are held out: there is no validation" in said
    assert "validation" not in said[-1]
    assert not (place / "run/validation.png").exists()


def test_a_lengthened_run_goes_on_and_says_so(place: TrainingFolder) -> None:
    again(place, "longer", "short.safetensors")
    summary, said = again(place, "longer", "longer.safetensors", steps=12)
    assert summary.startswith(f"{place / 'longer'}: 12 steps, 24 patches -> ")
    assert f"{place / 'longer'}: lengthening the run from 10 to 12 steps" in said
    with open(place / "longer/log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    # The look before the first step is not repeated.
    assert [row["step"] for row in rows] == ["0", "5", "10", "12"]
    stretches = read_card(place / "longer.safetensors").training["stretches"]
    assert [(one["begin"], one["steps"]) for one in stretches] == [(0, 10), (10, 12)]
    assert "stretches" not in read_card(place / "short.safetensors").training


def test_a_run_rehearses_and_distils(tmp_path: Path) -> None:
    place = TrainingFolder(tmp_path).fill()
    place.configure("config.json", target_draws=2, steps=4)
    teacher = save_model(tmp_path, name="teacher", licence="free")
    sources = [Source(kind, place / "clean", w) for kind, w in ((REHEARSE, 1), (DISTILL, 0.5))]

    def train(run: str, steps: int) -> list[str]:
        said: list[str] = []
        plan = planned(
            "denoise", sources, place / "config.json", target_model=str(teacher), steps=steps
        )
        out = place / f"{run}.safetensors"
        job.run(
            plan, place / run, out=out, overwrite=True, place=job.Hardware("cpu"), say=said.append
        )
        return said

    assert train("once", 4)[:4] == [
        "clean: teacher makes 2 targets",
        "clean: teacher makes 4 targets",
        "clean: 1 pictures to rehearse to train on, 1 held out",
        "clean: 2 pairs to distill from to train on, 2 held out",
    ]
    assert sorted(p.name for p in (place / "once/targets").iterdir()) == [
        "0-rehearse-clean",
        "1-distill-clean",
    ]
    card = read_card(place / "once.safetensors")
    assert card.training["target_model"] == f"teacher {sha256_of(teacher)}"
    assert card.source["targets_from"] == f"teacher {sha256_of(teacher)}"
    assert card.source["targets_licence"] == "free"
    assert not any("makes" in line for line in train("once", 4))
    assert sha256_of(place / "once.safetensors") == card.sha256


@pytest.mark.parametrize(
    ("out", "told"),
    [("model.pt", "must end in .safetensors"), ("no/model.safetensors", "no does not exist")],
)
def test_a_model_that_could_not_be_written_is_refused_at_once(
    tmp_path: Path, out: str, told: str
) -> None:
    with pytest.raises(CheckpointError, match=told):
        again(TrainingFolder(tmp_path).fill(), "run", out)
    assert not (tmp_path / "run").exists()


# Printed configurations


@pytest.mark.slow
def test_a_printed_configuration_makes_the_same_run(place: TrainingFolder) -> None:
    words = ("train", "denoise", *CONFIGURED, "--steps", "3", "--seed", "7")
    printed = restore(*words, "--init", "model.safetensors", "--print-config", cwd=place.root)
    assert (printed.code, printed.stderr) == (0, "")
    (place / "complete.json").write_text(printed.stdout)
    used = ("train", "denoise", "--config", "complete.json")
    assert restore(*used, "--print-config", cwd=place.root) == printed
    data = ("--clean", "clean", "--quiet")
    for run, asked in (("asked", (*words, "--init", "model.safetensors")), ("printed", used)):
        out = ("--run", run, "--out", f"{run}.safetensors")
        outcome = restore(*asked, *data, *out, cwd=place.root)
        assert (outcome.code, outcome.stderr) == (0, "")
    cards = [read_card(place / f"{run}.safetensors") for run in ("asked", "printed")]
    assert cards[0].sha256 == cards[1].sha256
    assert cards[0].training == cards[1].training


@pytest.mark.slow
def test_without_a_folder_for_the_run_there_is_none(place: TrainingFolder) -> None:
    outcome = restore("train", "denoise", "--clean", "clean", cwd=place.root)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert outcome.stderr == "error: give --run DIR, the folder of the run\n"


# Refusals


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("denoise", "--clean", "nowhere"), "nowhere: no such folder"),
        (("denoise", "--clean", "empty"), "empty: holds no pictures"),
        (
            ("denoise", "--clean", "clean", "--config", "unknown.json"),
            "unknown.json: unknown training field 'stepz'",
        ),
        (
            ("denoise", "--clean", "clean", "--pairs", "pairs", *CONFIGURED, "--seed", "5"),
            "seed = 0, no",
        ),
        (("denoise", "--rehearse", "clean"), "clean: to rehearse, give --target-model NAME"),
        (
            ("denoise", "--clean", "clean", "--pairs", "pairs", *CONFIGURED, "--steps", "9"),
            "belongs to a run of 10 steps",
        ),
        (("denoise", "--clean", "clean", *CONFIGURED), "belongs to a run with sources"),
        (("denoise", "--clean", "clean=x", *CONFIGURED), "clean=x: the weight after ="),
        (("denoise", "--depth", "clean", *CONFIGURED), "depth.csv: cannot be read"),
        (("colour", "--clean", "clean"), "no training recipe for 'colour'"),
    ],
    ids=[
        "missing folder",
        "empty folder",
        "field",
        "config",
        "target model",
        "fewer steps",
        "data",
        "weight",
        "depth",
        "task",
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_line(
    place: TrainingFolder, words: tuple[str, ...], told: str
) -> None:
    place.configure("unknown.json", stepz=3)
    process = restore("train", *words, "--run", "run", cwd=place.root)
    usage = "=x" in str(words) or "--rehearse" in words
    assert (process.code, process.stdout) == (2 if usage else 1, "")
    (line,) = process.stderr.splitlines()
    assert line.startswith("error: ")
    assert told in line


def test_a_run_that_cannot_begin_leaves_no_folder(tmp_path: Path) -> None:
    plan = planned("denoise", (Source(CLEAN, tmp_path / "nowhere"),))
    with pytest.raises(TrainingError, match="nowhere: no such folder"):
        job.run(plan, tmp_path / "run")
    assert list(tmp_path.iterdir()) == []
