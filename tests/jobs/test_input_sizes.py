"""How much there is to do, as headers say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from clips import ClipRecipe, make
from pictures import saved
from PIL import Image

from restore.jobs import input_sizes
from restore.jobs.folder_plan import Job
from restore.jobs.input_sizes import size_and_count, sizes_of_jobs
from restore.media.video.probe import probe


def picture(height: int, width: int) -> np.ndarray:
    return np.zeros((height, width, 3), np.uint8)


def jobs(folder: Path, *shapes: tuple[int, int]) -> list[Job]:
    return [
        Job(saved(folder / f"{i}.png", picture(*shape)), folder / "out" / f"{i}.png")
        for i, shape in enumerate(shapes)
    ]


def test_sizes_of_images_that_are_not_done(tmp_path: Path) -> None:
    listed = jobs(tmp_path, (10, 20), (30, 40), (50, 60))
    assert sizes_of_jobs(listed) == ([(10, 20), (30, 40), (50, 60)], 1)
    listed[1].target.parent.mkdir()
    listed[1].target.touch()
    assert sizes_of_jobs(listed) == ([(10, 20), (50, 60)], 1)
    assert sizes_of_jobs(listed, overwrite=True)[0] == [(10, 20), (30, 40), (50, 60)]
    assert sizes_of_jobs([]) == ([], 0)


def test_some_stand_for_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(input_sizes, "_MOST", 3)
    found, times = sizes_of_jobs(jobs(tmp_path, *[(8, 9)] * 10))
    assert found == [(8, 9)] * 3
    assert len(found) * times == 10
    monkeypatch.setattr(input_sizes, "_SECONDS", -1)
    assert sizes_of_jobs(jobs(tmp_path, *[(8, 9)] * 10)) == ([(8, 9)], 10)


def test_damaged_files_are_left_to_the_run(tmp_path: Path) -> None:
    listed = jobs(tmp_path, (8, 9), (8, 9))
    listed[0].source.write_bytes(b"no picture")
    listed.append(Job(tmp_path / "absent.png", tmp_path / "out" / "absent.png"))
    assert sizes_of_jobs(listed) == ([(8, 9)], 1)


def test_animations_and_numbered_pictures_are_counted(tmp_path: Path) -> None:
    frames = [Image.new("L", (30, 20), shade) for shade in (0, 100, 200)]
    for name in ("moving.gif", "moving.webp"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        assert size_and_count(tmp_path / name) == ((20, 30), 3)
    (tmp_path / "frames").mkdir()
    for number in range(3):
        saved(tmp_path / "frames" / f"{number:03}.png", picture(6, 7))
    assert size_and_count(tmp_path / "frames" / "%03d.png") == ((6, 7), 3)
    assert size_and_count(tmp_path / "frames") == ((6, 7), 3)
    (tmp_path / "broken.gif").write_bytes(b"GIF89a")
    assert size_and_count(tmp_path / "broken.gif") is None


def test_a_clip_that_does_not_say_is_not_counted(tmp_path: Path) -> None:
    clip = probe(make(tmp_path / "in.mp4", ClipRecipe(stamps=tuple(range(0, 5 * 512, 512)))))
    assert size_and_count(clip) == (clip.size, 5)
    assert size_and_count(replace(clip, frames=0)) is None
