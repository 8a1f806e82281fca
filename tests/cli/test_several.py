"""`--devices N`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from queue import Queue

import numpy as np
import pytest
from command import one_error_line, restore
from models import save_model
from pictures import saved, smooth
from PIL import Image

from restore.cli.shard_processes import read_outcomes, shared_words, visible_gpus
from restore.jobs.outcome import Outcome


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in range(8):
        (tmp_path / "photos").mkdir(exist_ok=True)
        saved(tmp_path / "photos" / f"{number}.png", smooth())
    return tmp_path / "photos"


@pytest.mark.slow
def test_processes_share_a_folder(photos: Path, tmp_path: Path) -> None:
    model, out = save_model(tmp_path, identity=True), tmp_path / "out"
    (photos / "0.png").write_bytes(b"no picture")
    words = ("denoise", "--model", model, "--device", "cpu")
    done = restore(*words, "--devices", "2", "--", photos, out)  # all words after -- are files
    assert done.code == 1
    assert done.stdout.startswith("7 done, 1 failed (")
    reason = "not a picture in a format that can be read"
    assert f"failed: {photos / '0.png'}: {reason}" in done.stderr
    assert np.array_equal(np.asarray(Image.open(out / "7.png")), smooth())
    assert len([*out.glob(".restore-batch.*-of-2.jsonl")]) == 2
    rows = restore(*words, photos, out, "--json").stdout.splitlines()  # one process knows it all
    assert sorted(json.loads(row)["status"] for row in rows) == ["failed", *["skipped"] * 7]


def test_wrong_usage_is_refused_before_any_process(photos: Path, tmp_path: Path) -> None:
    model, out = save_model(tmp_path, identity=True), tmp_path / "out"
    two = ("--model", model, "--devices", "2")
    single = restore("denoise", photos / "1.png", tmp_path / "1.png", *two)
    assert "--devices is for folders" in one_error_line(single, code=2)
    watch = restore("denoise", photos, out, *two, "--watch")
    assert "leave out --devices" in one_error_line(watch, code=2)
    second = restore("denoise", photos, out, *two, "--device", "cuda:1")
    assert "chooses one for each" in one_error_line(second, code=2)
    assert "no pictures" in one_error_line(restore("denoise", photos / "*.jpg", out, *two))
    assert not out.exists()


@pytest.mark.slow
def test_an_error_of_a_process_is_that_of_the_run(photos: Path, tmp_path: Path) -> None:
    """Its exit code is 1, as that of failed files."""
    model, out = save_model(tmp_path, identity=True), tmp_path / "out"
    (out / ".restore-batch.lock").mkdir(parents=True)
    done = restore("denoise", photos, out, "--model", model, "--device", "cpu", "--devices", "2")
    assert "shard 1/2 has ended: " in one_error_line(done)


def test_each_process_gets_its_own_words() -> None:
    words = ["denoise", "in", "out", "--devices", "2", "--shard=1/2", "-q", "--json", "--crf", "3"]
    assert [*shared_words(words)] == ["denoise", "in", "out", "--crf", "3"]
    assert [*shared_words(["denoise", "-q", "--", "-q", "out"])] == ["denoise", "--", "-q", "out"]


def test_lines_that_are_no_outcomes_are_passed_over() -> None:
    row = {"input": "a.png", "output": "b.png", "status": "done", "reason": "", "notes": []}
    line = json.dumps(row | {"megapixels": 0.5, "seconds": 0.25})
    code = f"print('hello'); print('[1]'); print({line!r}); print('{{}}')"
    found: Queue[Outcome | None] = Queue()
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    with process:
        read_outcomes(process, found)
    outcome = found.get_nowait()
    assert outcome is not None
    assert (outcome.target, outcome.megapixels, outcome.seconds) == (Path("b.png"), 0.5, 0.25)
    assert found.get_nowait() is None


def test_processes_take_the_gpus_that_are_visible() -> None:
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": "2,3"}) == ["2", "3"]
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": ""}) == []
