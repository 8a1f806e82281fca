"""Rarer names of known formats, and the profile of a BMP."""

from __future__ import annotations

from pathlib import Path

import icc
import numpy as np
import pytest
from media_files import bmp_with_profile
from pictures import saved, smooth

from restore.jobs.folder_plan import plan
from restore.media import formats
from restore.media.folder import pictures
from restore.media.image import check_fits, read, write
from restore.media.video.detect import is_animated

ALIASES = [(f, alias) for f in formats.FORMATS for alias in f.aliases]


@pytest.mark.parametrize(
    ("format_", "alias"), ALIASES, ids=lambda value: getattr(value, "name", value)
)
def test_a_rarer_name_is_known_everywhere(
    tmp_path: Path, format_: formats.Format, alias: str
) -> None:
    source = saved(tmp_path / "in.png", smooth())
    path = tmp_path / "in" / f"picture{alias}"
    path.parent.mkdir()
    write(read(source), path)
    assert read(path).info["format"] == format_.name
    assert formats.of_target(path) is format_
    assert pictures(path.parent) == [path]
    assert [job.source for job in plan([path.parent], tmp_path / "out")] == [path]
    assert alias not in formats.known().split(", ")
    assert alias in formats.table()
    assert not is_animated(path)


@pytest.mark.parametrize("profile", [icc.rgb(1.8), b""])
def test_the_profile_of_a_bmp_is_read(tmp_path: Path, profile: bytes) -> None:
    path = tmp_path / "in.bmp"
    path.write_bytes(bmp_with_profile(smooth(), profile))
    picture = read(path)
    np.testing.assert_array_equal(picture.pixels, smooth())
    assert picture.info.get("icc_profile", b"") == profile
    write(picture, tmp_path / "out.png")
    assert read(tmp_path / "out.png").info.get("icc_profile", b"") == profile
    notes = check_fits(picture, "out.bmp")
    assert notes == (("BMP cannot store the colour profile",) if profile else ())
