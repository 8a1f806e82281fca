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
import torch
from command import Outcome, restore
from models import save_model
from PIL import Image
from tiny_run import CONFIG, picture

from restore.checkpoints import weights
from restore.checkpoints.card import TrainingSet, read_card
from restore.errors import CheckpointError, ConfigError, TrainingError
from restore.files import sha256_of
from restore.media import image as media
from restore.train import job
from restore.train.planning import plan as planned
from restore.train.sources import CLEAN, PAIRS, Source

PROGRAM = [sys.executable, "-B", "-W", "error", "-m", "restore.cli"]
SHORT = replace(CONFIG, steps=10, holdout=0.5, validate_every=5)


@dataclass(frozen=True)
class Place:
    """A folder with pictures, pairs, a configuration and, once trained, a run and a model."""

    root: Path

    def __truediv__(self, name: str) -> Path:
        return self.root / name

    def fill(self) -> Place:
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

    def restore(self, *words: str) -> Outcome:
        with self.start(*words) as process:
            stdout, stderr = process.communicate(timeout=120)
        return Outcome(process.returncode, stdout, stderr)


CONFIGURED = ("--config", "config.json")
TRAIN = ("train", "denoise", "--clean", "clean", "--pairs", "pairs", *CONFIGURED)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, Outcome]:
    place = Place(tmp_path_factory.mktemp("job")).fill()
    return place, place.restore(*TRAIN, "--run", "run", "--out", "model.safetensors")


@pytest.fixture
def place(trained: tuple[Place, Outcome]) -> Place:
    return trained[0]


# What a run leaves


@pytest.mark.slow
def test_a_run_says_what_it_did(trained: tuple[Place, Outcome]) -> None:
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
def test_a_run_writes_a_log(place: Place) -> None:
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
def test_a_run_draws_what_it_has_never_seen(place: Place) -> None:
    with Image.open(place / "run/validation.png") as sheet:
        # One clean picture and one pair held out, as degraded, restored and clean.
        assert (sheet.mode, sheet.size) == ("RGB", (3 * 256, 2 * 256))
        pixels = np.asarray(sheet)
    assert (pixels[:, 512:] != pixels[:, :256]).any()
    np.testing.assert_array_equal(pixels[:40, 512:562], picture(40, 50, seed=0))


@pytest.mark.slow
def test_a_run_ends_in_a_model_with_its_card(place: Place) -> None:
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
def test_the_model_restores_a_picture(place: Place) -> None:
    words = ("denoise", "clean/a.png", "out.png", "--model", "model.safetensors", "--json")
    process = restore(*words, cwd=place.root)
    assert (process.code, process.stderr) == (0, "")
    assert json.loads(process.stdout)["model"] == "model"
    assert media.read(place / "out.png").pixels.shape == (40, 50, 3)


@pytest.mark.slow
def test_a_terminal_shows_a_bar_and_lines_above_it(place: Place) -> None:
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


def again(place: Place, run: str, out: str, steps: int = 10) -> tuple[str, list[str]]:
    said: list[str] = []
    sources = [Source(kind, place / kind) for kind in (CLEAN, PAIRS)]
    plan = planned("denoise", sources, place / "config.json", steps=steps)
    summary = job.run(plan, place / run, out=place / out, place=job.Place("cpu"), say=said.append)
    return summary, said


@pytest.mark.slow
def test_a_finished_run_is_exported_again_without_a_step(place: Place) -> None:
    _, said = again(place, "run", "again.safetensors")
    assert said[-1] == f"{place / 'run'}: resuming at step 10 of 10"
    assert sha256_of(place / "again.safetensors") == sha256_of(place / "model.safetensors")


def test_without_pictures_held_out_there_is_no_validation(tmp_path: Path) -> None:
    place = Place(tmp_path).fill()
    place.configure("config.json", holdout=0.0)
    _, said = again(place, "run", "model.safetensors")
    assert "no pictures are held out: there is no validation" in said
    assert "validation" not in said[-1]
    assert not (place / "run/validation.png").exists()


def test_batches_are_as_many_as_devices_unless_said_otherwise(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    cases: list[tuple[dict[str, int], int, int]] = [
        ({}, 1, 1),
        ({}, 3, 3),
        ({"batches_per_step": 6}, 3, 6),
    ]
    for stated, devices, expected in cases:
        config.write_text(json.dumps(stated))
        plan = planned("denoise", (), config, devices=devices)
        assert plan.config.batches_per_step == expected


def test_a_model_of_another_task_can_be_taken_as_a_start(tmp_path: Path) -> None:
    path = save_model(tmp_path, task="enhance")
    plan = planned("derain", (), init=str(path))
    start = plan.start_from
    assert start is not None
    assert plan.config.init == f"tiny {sha256_of(path)}"
    found = weights.load(path, read_card(path)).state_dict()
    assert all(torch.equal(value, found[name]) for name, value in start.state_dict().items())
    assert all(parameter.requires_grad for parameter in start.parameters())


def test_what_a_model_has_learned_from_before_stays_on_its_card(place: Place) -> None:
    before = save_model(
        place.root, licence="research", training_data=(TrainingSet("old pictures", "theirs"),)
    )
    plan = planned("denoise", (Source(CLEAN, place / "clean"),), init=str(before), steps=1)
    job.run(plan, place / "heir", out=place / "heir.safetensors", place=job.Place("cpu"))
    card = read_card(place / "heir.safetensors")
    assert [used.name for used in card.training_data] == ["old pictures", "clean"]
    assert card.source["from"] == f"tiny {sha256_of(before)}"
    assert card.source["from_licence"] == "research"


def test_a_network_that_is_not_the_start_s_is_refused(tmp_path: Path) -> None:
    path = save_model(tmp_path)
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"network": {"features": 48}}))
    with pytest.raises(ConfigError, match="has another network than the configuration"):
        planned("denoise", (), config, init=str(path))


@pytest.mark.parametrize(
    ("out", "told"),
    [("model.pt", "must end in .safetensors"), ("no/model.safetensors", "no does not exist")],
)
def test_a_model_that_could_not_be_written_is_refused_at_once(
    tmp_path: Path, out: str, told: str
) -> None:
    with pytest.raises(CheckpointError, match=told):
        again(Place(tmp_path).fill(), "run", out)
    assert not (tmp_path / "run").exists()


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
        "data",
        "weight",
        "depth",
        "task",
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_line(
    place: Place, words: tuple[str, ...], told: str
) -> None:
    place.configure("unknown.json", stepz=3)
    process = restore("train", *words, "--run", "run", cwd=place.root)
    assert (process.code, process.stdout) == (2 if "=x" in str(words) else 1, "")
    (line,) = process.stderr.splitlines()
    assert line.startswith("error: ")
    assert told in line


def test_a_run_that_cannot_begin_leaves_no_folder(tmp_path: Path) -> None:
    plan = planned("denoise", (Source(CLEAN, tmp_path / "nowhere"),))
    with pytest.raises(TrainingError, match="nowhere: no such folder"):
        job.run(plan, tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["{", "[]", '"steps"'])
def test_a_config_that_is_no_json_object_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ConfigError, match=r"config\.json: "):
        planned("denoise", (), tmp_path / "config.json")
