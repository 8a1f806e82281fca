"""A folder of pictures, each by the heads that it needs."""

from __future__ import annotations

from pathlib import Path

import pytest
from judgements import judgement, use, use_tiny_models
from pictures import saved, smooth
from PIL import Image

import restore
from restore.jobs.auto_job import AutoOutcome

CPU = {"device": "cpu", "precision": "float32"}
SICK, BETTER, HEALTHY = judgement(0.4, noise=0.9), judgement(0.6), judgement(0.95)


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    use_tiny_models(monkeypatch, tmp_path / "weights")
    place = tmp_path / "in"
    (place / "below").mkdir(parents=True)
    saved(place / "a.png", smooth())
    saved(place / "b.jpg", smooth(), quality=71)
    saved(place / "below" / "c.png", smooth())
    return place


def test_every_picture_gets_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: Path
) -> None:
    use(monkeypatch, SICK, BETTER, HEALTHY, SICK, BETTER)
    (folder / "broken.png").write_bytes(b"no picture")
    frames = [Image.fromarray(smooth()), Image.fromarray(smooth()[::-1])]
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:])
    out = tmp_path / "out"
    counted: list[tuple[int, int]] = []
    done = restore.auto_folder(
        folder, out, recursive=True, progress=lambda *counts: counted.append(counts), **CPU
    )
    files = {file.source.name: file for file in done.files}
    assert {name: file.status for name, file in files.items()} == {
        "a.png": "done",
        "b.jpg": "done",
        "broken.png": "failed",
        "c.png": "done",
        "moving.gif": "skipped",
    }
    assert done.status == "failed"
    assert counted[-1] == (5, 5)
    first = files["a.png"]
    assert isinstance(first, AutoOutcome)
    assert first.model == "denoise-s1"
    assert (out / "a.png").read_bytes() == (out / "below" / "c.png").read_bytes()
    assert (out / "b.jpg").read_bytes() == (folder / "b.jpg").read_bytes()
    assert not (out / "broken.png").exists()


def test_the_same_call_again_does_only_what_is_new(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: Path
) -> None:
    use(monkeypatch, SICK, BETTER, HEALTHY)
    out = tmp_path / "out"
    restore.auto_folder(folder, out, **CPU)
    use(monkeypatch, HEALTHY)
    saved(folder / "new.png", smooth())
    again = restore.auto_folder(folder, out, **CPU)
    assert [file.status for file in again.files] == ["skipped", "skipped", "done"]
    # Other options make other results.
    use(monkeypatch, SICK, BETTER, HEALTHY, HEALTHY)
    other = restore.auto_folder(folder, out, strength=0.5, **CPU)
    assert [file.status for file in other.files] == ["done"] * 3


def test_stops_between_pictures_and_keeps_what_others_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: Path
) -> None:
    use(monkeypatch, HEALTHY)
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.png").write_bytes(b"precious")
    done = restore.auto_folder(folder, out, **CPU)
    assert [file.status for file in done.files] == ["failed", "done"]
    assert "exists already" in done.files[0].reason
    assert (out / "a.png").read_bytes() == b"precious"
    stopped = restore.auto_folder(folder, tmp_path / "other", should_stop=lambda: True, **CPU)
    assert [file.status for file in stopped.files] == ["stopped"] * 2
