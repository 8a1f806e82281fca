"""`restore compare`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command import one_error_line, restore
from models import save_model
from pictures import saved, smooth


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return saved(tmp_path / "in.png", smooth())


def test_heads_models_and_strengths_stand_next_to_each_other(photo: Path) -> None:
    folder = photo.parent
    model, html = save_model(folder), folder / "look.html"
    truth = saved(folder / "true.png", smooth())
    words = ("--models", model, "--strengths", "0.5,1", "--reference", truth, "--html", html)
    outcome = restore("compare", photo, *words, "--device", "cpu", "--json")
    assert (outcome.code, outcome.stderr) == (0, "")
    said = json.loads(outcome.stdout)
    assert said["output"] == str(html)
    labels = [view["label"] for view in said["views"]]
    assert labels == ["in.png", f"{model} at 0.5", str(model), "reference"]
    assert said["views"][0]["psnr"] is None  # equal pictures: no finite number
    assert said["views"][1]["psnr"] > said["views"][2]["psnr"]
    assert html.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_file_is_compared_without_a_model(photo: Path, tmp_path: Path) -> None:
    done = saved(tmp_path / "out.png", 255 - smooth())
    outcome = restore("compare", photo, done, "--html", tmp_path / "look.html")
    assert outcome.code == 0
    assert outcome.stdout == f"{tmp_path / 'look.html'}: 2 pictures\n"
    (tmp_path / "out").mkdir()
    same = saved(tmp_path / "out" / photo.name, smooth())
    outcome = restore("compare", photo, same, "--html", tmp_path / "same.html", "--json")
    labels = [view["label"] for view in json.loads(outcome.stdout)["views"]]
    assert labels == [str(photo), str(same)]


def test_wrong_usage_is_one_line(photo: Path, tmp_path: Path) -> None:
    html = tmp_path / "look.html"
    line = one_error_line(restore("compare", photo, "--html", html), code=2)
    assert "name a restored picture, or give --heads or --models" in line
    line = one_error_line(restore("compare", photo, "--heads", "denois", "--html", html), code=2)
    assert "denois" in line
    bad = ("--heads", "denoise", "--strengths", "much")
    line = one_error_line(restore("compare", photo, *bad, "--html", html), code=2)
    assert "--strengths much: give numbers, such as 0.5,1" in line
    line = one_error_line(restore("compare", photo, photo, "--html", photo, "--overwrite"))
    assert "use one that ends in .html" in line  # and the photo is still there
    html.write_text("mine")
    line = one_error_line(restore("compare", photo, photo, "--html", html))
    assert "exists already; give --overwrite to replace it" in line
    small = saved(tmp_path / "small.png", np.zeros((8, 8, 3), np.uint8))
    other = tmp_path / "other.html"
    line = one_error_line(restore("compare", photo, small, "--html", other), code=2)
    assert "different sizes" in line
    assert not other.exists()


def test_a_folder_run_writes_a_report(photo: Path, tmp_path: Path) -> None:
    model = save_model(tmp_path, identity=True)
    (tmp_path / "photos").mkdir()
    saved(tmp_path / "photos" / "a.png", smooth())
    (tmp_path / "photos" / "b.png").write_bytes(b"no picture")
    out, words = tmp_path / "out", ("--model", model, "--device", "cpu")
    page = out / "report.html"  # in a folder that the run makes
    outcome = restore("denoise", tmp_path / "photos", out, "--report", page, *words)
    assert outcome.code == 1
    assert f"note: {page}: 2 files: 1 failed, 0 to look at" in outcome.stderr
    assert "b.png" in page.read_text(encoding="utf-8")
    line = one_error_line(restore("denoise", photo, out / "x.png", "--report", page), code=2)
    assert "--report is for folders" in line
    line = one_error_line(restore("denoise", tmp_path / "photos", out, "--report", page, *words))
    assert "exists already; give --overwrite to replace it" in line
