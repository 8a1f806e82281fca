"""The quality of images without true ones: the judge's figure, and measures of pyiqa."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command import one_error_line, restore
from judgements import judgement
from pictures import saved, smooth

from restore.errors import ImageError, RestoreError, UsageError
from restore.evaluate import no_reference, published_quality
from restore.evaluate.report import evaluate, means
from restore.inspect import judgement as judging


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "images"
    place.mkdir()
    saved(place / "a.png", smooth())
    saved(place / "b.png", smooth()[..., 0])
    return place


@pytest.fixture
def brightness_as_quality(monkeypatch: pytest.MonkeyPatch) -> None:
    def judge(pixels: np.ndarray) -> judging.Judgement:
        return judgement(float(pixels.mean()) / 255)

    monkeypatch.setattr("restore.inspect.judge", judge)


@pytest.mark.usefixtures("brightness_as_quality")
def test_every_image_of_a_folder_has_the_quality_of_its_judgement(folder: Path) -> None:
    metrics = no_reference.metrics_of()
    rows = list(evaluate([no_reference.IMAGE], no_reference.cases(folder), metrics))
    found = {row.picture: row.values["quality"] for row in rows}
    wanted = {"a": smooth().mean() / 255, "b": smooth()[..., 0].mean() / 255}
    assert found == pytest.approx(wanted)
    assert means(rows)[0].values["quality"] == pytest.approx(sum(wanted.values()) / 2)
    (alone,) = no_reference.cases(folder / "b.png")
    assert alone.name == "b"


def test_a_folder_without_images_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="holds no pictures"):
        no_reference.cases(tmp_path)


def test_rejects_unknown_measures_and_those_that_lack_a_target() -> None:
    with pytest.raises(UsageError, match="no measure is called 'BLUE'; there are NIQE, MUSIQ"):
        no_reference.metrics_of(["blue"])
    with pytest.raises(UsageError, match="DISTS compares with true images"):
        no_reference.metrics_of(["dists"])


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyiqa", None)
    with pytest.raises(RestoreError, match=r'pip install "maxim-restore\[quality\]"'):
        published_quality.PyiqaMeasure("NIQE")


def test_weights_that_cannot_be_downloaded_are_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("pyiqa")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for protocol in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(protocol, "http://127.0.0.1:9")  # where nothing listens
    with pytest.raises(RestoreError, match="weights of NIQE cannot be downloaded") as caught:
        published_quality.PyiqaMeasure("NIQE")
    assert "\n" not in str(caught.value)


def test_the_command_prints_images_means_and_protocol(folder: Path, tmp_path: Path) -> None:
    outcome = restore("eval", "--no-reference", folder, "--csv", tmp_path / "rows.csv")
    assert outcome.code == 0, outcome.stderr
    lines = outcome.stdout.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["picture", "a", "b", "mean"]
    assert lines[0].split() == ["picture", "by", "quality"]
    assert 0 <= float(lines[3].split()[-1]) <= 1
    assert len((tmp_path / "rows.csv").read_text(encoding="utf-8").splitlines()) == 3


def test_the_command_refuses_what_does_not_go_together(folder: Path, tmp_path: Path) -> None:
    words = ("eval", "--no-reference", folder)
    assert restore(*words, "--sigma", 25).code == 2
    assert restore("eval").code == 2
    assert "no such" in one_error_line(restore("eval", "--no-reference", tmp_path / "none.png"))
