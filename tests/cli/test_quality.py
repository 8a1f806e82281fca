"""Which model runs, how much of it, on how large an image: options of every head."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from command import one_error_line, restore
from models import TINY, save_model
from pictures import saved, smooth
from PIL import Image

from restore.checkpoints import weights
from restore.checkpoints.card import Card, read_card
from restore.networks import initialise
from restore.networks.maxim.network import Maxim


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A cache folder with a best model of derain, and one of its standard quality."""
    models = tmp_path / "home" / "models"
    models.mkdir(parents=True)
    for name in ("derain-rain13k", "derain-s1"):
        save_model(models, name=name, task="derain", identity=True)
    return tmp_path / "home"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return saved(tmp_path / "in.png", smooth())


def model_of(home: Path, photo: Path, *options: object) -> str:
    target = photo.with_name("out.png")
    words = ("--overwrite", "--json", "--device", "cpu")
    outcome = restore("derain", photo, target, *options, *words, home=home)
    assert (outcome.code, outcome.stderr) == (0, "")
    return json.loads(outcome.stdout)["model"]


def test_a_quality_chooses_the_model(home: Path, photo: Path) -> None:
    assert model_of(home, photo) == "derain-s1"
    assert model_of(home, photo, "--quality", "standard") == "derain-s1"
    assert model_of(home, photo, "--quality", "best") == "derain-rain13k"
    assert model_of(home, photo, "--quality", "fast") == "derain-small"
    assert model_of(home, photo, "--model", "derain-rain13k") == "derain-rain13k"


def test_folders_and_clips_have_qualities_too(home: Path, photo: Path) -> None:
    moving = photo.with_name("in.gif")
    frames = [Image.fromarray(smooth()), Image.fromarray(255 - smooth())]
    frames[0].save(moving, save_all=True, append_images=frames[1:])
    best = ("--quality", "best", "--device", "cpu")
    animated = restore("derain", moving, photo.with_name("out.gif"), *best, "--json", home=home)
    assert json.loads(animated.stdout)["model"] == "derain-rain13k"
    photo.with_name("out").mkdir()
    folder = restore("derain", photo, photo.with_name("out"), *best, home=home)
    assert folder.code == 0, folder.stderr
    absent = restore("deblur", moving, photo.with_name("sharp.gif"), *best, home=home)
    assert "get it with: restore weights pull deblur" in one_error_line(absent)


def test_the_best_model_that_is_absent_is_one_line(photo: Path, tmp_path: Path) -> None:
    outcome = restore("derain", photo, tmp_path / "out.png", "--quality", "best")
    assert one_error_line(outcome) == (
        "error: derain-rain13k, the model of quality best for derain, is not installed; "
        "get it with: restore weights pull derain"
    )
    assert not (tmp_path / "out.png").exists()


def test_a_model_and_a_quality_or_an_unknown_one_are_wrong_usage(
    photo: Path, tmp_path: Path
) -> None:
    words = ("derain", photo, tmp_path / "out.png")
    both = restore(*words, "--quality", "fast", "--model", "derain-small")
    assert "give one of the two" in one_error_line(both, code=2)
    unknown = restore(*words, "--quality", "good")
    assert "use one of fast, standard, best" in one_error_line(unknown, code=2)


def test_a_number_after_quality_is_the_encoders(photo: Path, tmp_path: Path) -> None:
    words = ("derain", photo, tmp_path / "old.jpg", "--device", "cpu")
    old = restore(*words, "--quality", "20")
    assert old.code == 0
    assert old.stderr == "note: --quality 20 means --encode-quality 20, its name now\n"
    new = restore(*words[:2], tmp_path / "new.jpg", "--encode-quality", "20", "--device", "cpu")
    assert (new.code, new.stderr) == (0, "")
    assert (tmp_path / "old.jpg").read_bytes() == (tmp_path / "new.jpg").read_bytes()
    both = restore(*words, "--overwrite", "--quality", "20", "--encode-quality", "30")
    assert "both choose the encoder's" in one_error_line(both, code=2)
    large = restore(*words, "--overwrite", "--quality", "101", "--quiet")
    assert "encode quality is 101" in one_error_line(large, code=2)


def two_stages(path: Path) -> Path:
    config = replace(TINY, num_stages=2)
    network = initialise(Maxim(config), torch.Generator().manual_seed(0)).eval()
    weights.save(network, Card(path.stem, "dehaze", config, ""), path)
    return path


def test_a_model_is_stopped_and_cut(photo: Path, tmp_path: Path) -> None:
    model, short = two_stages(tmp_path / "two.safetensors"), tmp_path / "one.safetensors"
    cut = restore("weights", "cut", model, short, "--stages", 1)
    assert cut.code == 0, cut.stderr
    assert cut.stdout.startswith(f"{model} -> {short} (")
    assert cut.stdout.endswith(" parameters, dehaze, custom, 1 of 2 stages)\n")
    assert read_card(short).network.num_stages == 1
    stopped, own = tmp_path / "stopped.png", tmp_path / "own.png"
    on = ("--device", "cpu", "--reduce", "32")
    assert restore("dehaze", photo, stopped, "--model", model, "--stages", 1, *on).code == 0
    assert restore("dehaze", photo, own, "--model", short, *on).code == 0
    assert stopped.read_bytes() == own.read_bytes()
    words = ("dehaze", photo, tmp_path / "out.png", "--model", model)
    assert "use a number from 1 to 2" in one_error_line(restore(*words, "--stages", 3), code=2)
    assert "reduce is 'no'" in one_error_line(restore(*words, "--reduce", "no"), code=2)
    again = restore("weights", "cut", model, short, "--stages", 1)
    assert "exists already" in one_error_line(again)


def test_results_of_a_part_are_not_taken_for_those_of_the_whole(
    photo: Path, tmp_path: Path
) -> None:
    model, out = two_stages(tmp_path / "two.safetensors"), tmp_path / "out"
    words = ("dehaze", photo, out, "--model", model, "--device", "cpu", "--json")
    out.mkdir()
    statuses = [
        json.loads(restore(*words, *options).stdout)["status"]
        for options in ((), (), ("--stages", 1), ("--stages", 1), ("--reduce", 32), ())
    ]
    # All make the same bytes with this network: the last finds those of the first.
    assert statuses == ["done", "skipped", "done", "skipped", "done", "skipped"]


SLOW = """
import sys
from restore.engine import estimate
estimate._WORTH = 1
estimate._seconds = lambda restorer, piece: 40.0
from restore.cli.app import main
main()
"""


def test_a_long_run_says_so_once_on_stderr(tmp_path: Path) -> None:
    """As on a machine that takes 40 seconds for a piece of 128 x 128."""
    model = save_model(tmp_path, identity=True)
    (tmp_path / "photos").mkdir()
    for name in ("a.png", "b.png"):
        saved(tmp_path / "photos" / name, smooth(120, 120))

    def run(*words: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", SLOW, "denoise", *map(str, words)]
        on = ["--model", str(model), "--device", "cpu"]
        return subprocess.run([*command, *on], capture_output=True, text=True)

    folder = run(tmp_path / "photos", tmp_path / "out")
    assert folder.returncode == 0, folder.stderr
    assert folder.stderr.count("note: this takes about a minute") == 1
    one = tmp_path / "photos" / "a.png"
    alone = run(one, tmp_path / "a.png", "--ensemble", "--json")
    assert alone.stderr == "note: this takes about 5 minutes\n"
    assert json.loads(alone.stdout)["ensemble"]
    assert run(one, tmp_path / "b.png", "--ensemble", "--quiet").stderr == ""
    assert run(one, tmp_path / "c.png").stderr == ""
