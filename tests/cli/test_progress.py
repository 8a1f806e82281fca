"""Progress on a terminal and in a pipe."""

from __future__ import annotations

import os
import pty
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from models import save_model
from pictures import saved, smooth

from restore import restore_folder
from restore.cli import console, folder_display
from restore.cli.console import Reporter
from restore.cli.folder_display import displayed
from restore.cli.tally import Tally
from restore.engine import share


def on_terminal(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> str:
    """Return what ``act`` shows if standard error is a terminal."""
    reader, writer = pty.openpty()
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    with os.fdopen(writer, "w") as stream, monkeypatch.context() as changed:
        changed.setattr(sys, "stderr", stream)
        act()
        stream.flush()
        os.write(writer, b"END")
        text = b""
        while not text.endswith(b"END"):
            text += os.read(reader, 1 << 16)
    os.close(reader)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text.decode())


def test_a_bar_moves_within_a_tile(monkeypatch: pytest.MonkeyPatch) -> None:
    def act() -> None:
        with Reporter().progress("denoise cat.png") as report:
            report(0.42, 1)

    assert re.search(r"denoise cat\.png .*0/1 +42%", on_terminal(monkeypatch, act))


def test_a_bar_of_a_folder_moves_within_its_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    def act() -> None:
        tally = Tally()
        tally.total = 4
        with displayed("denoise", False, tally) as display:
            display.tiles(Path("in/a.png"), 1.5, 2)
            display.tiles(Path("in/b.png"), 0.5, 1)

    text = on_terminal(monkeypatch, act)
    assert "denoise b.png 50%" in text
    assert "1/4" in text  # 0.75 and 0.5 of a picture


def test_lines_tell_slow_jobs_of_few_tiles(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def lines(reports: list[tuple[float, int]]) -> list[str]:
        with Reporter().progress("denoise cat.png") as report:
            for done, total in reports:
                report(done, total)
        return capsys.readouterr().err.splitlines()

    assert lines([(0.5, 1), (1, 1)]) == []
    monkeypatch.setattr(console, "SPEAK_EVERY", 0)
    assert lines([(0.41, 1), (0.42, 1), (1, 1)]) == [
        "denoise cat.png: 41%",
        "denoise cat.png: 100%",
    ]
    assert lines([(6.5, 12), (12, 12)]) == ["denoise cat.png: 6 of 12", "denoise cat.png: 12 of 12"]


def test_a_folder_run_reports_within_its_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(share, "EVERY", 0)
    model = save_model(tmp_path)
    (tmp_path / "in").mkdir()
    photo = saved(tmp_path / "in" / "a.png", smooth())
    seen: list[tuple[Path, float, int]] = []
    restore_folder(
        tmp_path / "in",
        tmp_path / "out",
        "denoise",
        model=str(model),
        device="cpu",
        on_tiles=lambda *at: seen.append(at),
    )
    sources, done, totals = zip(*seen, strict=True)
    assert set(sources) == {photo}
    assert np.all(np.diff(done) > 0)
    assert 0 < done[0] < 0.5
    assert done[-1] == totals[-1]


def test_lines_of_a_folder_tell_the_share_of_a_picture(capsys: pytest.CaptureFixture[str]) -> None:
    display = folder_display._Lines("denoise", Tally(), 0.0)
    display.tiles(Path("a.png"), 1.5, 2)
    assert capsys.readouterr().err.startswith("denoise: 0 of 0, a.png, 75%, ")
