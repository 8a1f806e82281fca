"""The report of a folder run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pictures import saved, smooth

from restore import restore_folder
from restore.compare import folder_report
from restore.compare.folder_report import ReportedFile, write_report
from restore.errors import ImageError
from restore.jobs.outcome import DONE, FAILED, SKIPPED, Outcome
from restore.networks.maxim.network import Maxim


def outcome(source: Path, target: Path, **more: object) -> Outcome:
    return Outcome(source, target, **more)  # type: ignore[arg-type]


def test_failures_and_suspicious_pictures_come_first(tmp_path: Path) -> None:
    good = saved(tmp_path / "a <good>.png", smooth())
    odd = saved(tmp_path / "odd.png", smooth())
    turned = saved(tmp_path / "turned.png", smooth()[..., ::-1])
    outcomes = [
        outcome(good, good, notes=("the profile & more were lost",)),
        outcome(good.with_name("broken.png"), good, status=FAILED, reason="is cut off"),
        outcome(odd, turned, model="tiny", precision="float32"),
    ]
    page = tmp_path / "report.html"
    seen: list[tuple[int, int]] = []
    entries = write_report(page, "denoise", outcomes, progress=lambda *at: seen.append(at))
    assert [entry.outcome.source.name for entry in entries] == [
        "broken.png",
        "odd.png",
        "a <good>.png",
    ]
    assert [sign.name for sign in entries[1].signs] == ["hue turned", "brightness moved"]
    assert seen == [(1, 3), (2, 3), (3, 3)]
    text = page.read_text(encoding="utf-8")
    assert "3 files: 1 failed, 1 to look at" in text
    assert "a &lt;good&gt;.png" in text
    assert "the profile &amp; more were lost" in text
    assert "failed: is cut off" in text
    assert text.count("<img ") == 4
    assert not re.search(r"https?://|<script", text)


def test_a_file_that_arrived_in_parts_counts_as_it_ended(tmp_path: Path) -> None:
    photo, target = saved(tmp_path / "in.png", smooth()), saved(tmp_path / "out.png", smooth())
    torn = outcome(photo, target, status=FAILED, reason="is cut off")
    (found,) = write_report(tmp_path / "report.html", "denoise", [torn, outcome(photo, target)])
    assert found.outcome.status == DONE


def test_pictures_that_cannot_be_read_again_are_listed(tmp_path: Path) -> None:
    lost = outcome(tmp_path / "gone.png", tmp_path / "out.png", status=SKIPPED, reason="exists")
    (found,) = write_report(tmp_path / "report.html", "denoise", [lost])
    assert found == ReportedFile(lost)


def test_thumbnails_are_few_and_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert folder_report.thumbnail(smooth(500, 1000)).shape == (120, 240, 3)
    assert folder_report.thumbnail(smooth(20, 30)).shape == (20, 30, 3)
    monkeypatch.setattr(folder_report, "MOST_SHOWN", 1)
    photo = saved(tmp_path / "a.png", smooth())
    outcomes = [outcome(photo, tmp_path / f"{number}.png") for number in range(3)]
    for made in outcomes:
        saved(made.target, smooth())
    write_report(tmp_path / "report.html", "denoise", outcomes)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert text.count("<img ") == 2
    assert text.count("<article") == 3


def test_an_existing_page_is_kept(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("mine")
    with pytest.raises(ImageError, match="overwrite=True"):
        write_report(tmp_path / "report.html", "denoise", [])
    assert (tmp_path / "report.html").read_text() == "mine"


def test_a_folder_run_has_all_that_a_report_needs(tmp_path: Path) -> None:
    from models import save_model

    model = save_model(tmp_path, identity=True)
    (tmp_path / "in").mkdir()
    saved(tmp_path / "in" / "a.png", smooth())
    done = restore_folder(
        tmp_path / "in", tmp_path / "out", "denoise", model=str(model), device="cpu"
    )
    (entry,) = write_report(tmp_path / "report.html", "denoise", done.files)
    assert (entry.outcome.status, entry.signs) == (DONE, ())
    assert entry.before == entry.after != ""


def test_the_borders_of_the_tiles_are_looked_at(tmp_path: Path) -> None:
    """With a network that adds a little light, but less at the edges of its input."""
    from models import save_model

    def lighten(network: Maxim) -> None:
        network.stages[0].output_convs[0].weight.fill_(0.002)

    model = save_model(tmp_path, identity=True, change=lighten)
    (tmp_path / "in").mkdir()
    saved(tmp_path / "in" / "a.png", smooth(192, 256))
    for overlap, found in ((0, ["tile border shows"]), (32, [])):
        out = tmp_path / f"out{overlap}"
        words = {"model": str(model), "device": "cpu", "tile": 64, "overlap": overlap}
        done = restore_folder(tmp_path / "in", out, "denoise", **words)
        assert 64 in done.files[0].borders[0]
        (entry,) = write_report(tmp_path / f"{overlap}.html", "denoise", done.files)
        assert [sign.name for sign in entry.signs if "border" in sign.name] == found
    assert "tile border shows: " in (tmp_path / "0.html").read_text(encoding="utf-8")
