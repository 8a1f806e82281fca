"""Gaps in numbered images, and patterns that match none."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from clips import scene
from pictures import saved

from restore.errors import ImageError
from restore.media.video.detect import numbers
from restore.media.video.numbering import paths, suggested
from restore.media.video.sequence import as_clip


def images(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        saved(folder / name, scene(0, 8, 8))
    return folder


def test_a_gap_is_named_or_left_out(tmp_path: Path) -> None:
    folder = images(tmp_path / "gap", *(f"f{n:03}.png" for n in (1, 2, 4, 5)))
    pattern = folder / "f%03d.png"
    with pytest.raises(ImageError, match=r"f003.png is missing: f004.png follows f002.png; add"):
        as_clip(pattern, Fraction(25))
    source = as_clip(pattern, Fraction(25), allow_gaps=True)
    assert source.clip.frames == 4
    assert source.notes == (f"{pattern}: f003.png is missing: left out",)
    images(folder, "f900.png")
    with pytest.raises(ImageError, match=r"f003.png and 894 more are missing: f004.png follows"):
        as_clip(pattern, Fraction(25))
    images(folder, "f003.png")
    (folder / "f900.png").unlink()
    assert as_clip(pattern, Fraction(25)).notes == ()
    assert as_clip(folder, Fraction(25)).clip.frames == 5  # names of a folder say nothing


@pytest.mark.parametrize(
    ("names", "pattern"),
    [
        (("f001.png", "f002.png"), "f%03d.png"),
        (("f1.png", "f2.png", "f10.png"), "f%d.png"),
        (("9.tif", "10.tif", "a.txt"), "%d.tif"),
        (("v2-007.png", "v2-008.png", "cover.png"), "v2-%03d.png"),
        (("shot1_0001_x.png", "shot1_0002_x.png"), "shot1_%04d_x.png"),
        (("a.png", "100%1.png"), None),
    ],
)
def test_suggests_the_pattern_of_a_folder(
    tmp_path: Path, names: tuple[str, ...], pattern: str | None
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in names:
        (folder / name).touch()
    found = suggested(folder)
    assert (found and found.name) == pattern
    if found:
        assert len(numbers(found)) >= 2
        with pytest.raises(ImageError, match=f"no images of this pattern; use .*{pattern}, which"):
            paths(folder / "other%05d.png")
    else:
        with pytest.raises(ImageError, match="holds no numbered images"):
            paths(folder / "other%05d.png")


def test_a_pattern_of_other_files_says_what_to_type(tmp_path: Path) -> None:
    folder = images(tmp_path / "in", "f1.png", "f2.png")
    for name, complaint in (
        ("in/%d.mp4", "is a pattern of clips, but only images are numbered; for clips, name"),
        ("in/%d.txt", r"\.txt is no image format; use a pattern such as .*in/f%d\.png"),
        ("in/%d", "a name without an ending is no image format"),
        ("none/%d.png", "folder .*none does not exist"),
    ):
        with pytest.raises(ImageError, match=complaint):
            paths(tmp_path / name)
    assert suggested(folder / "none") is None
