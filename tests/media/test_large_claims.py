"""Headers that claim more pixels than allowed are named so, in every format."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import heic_files
import imagecodecs
import pytest
from pictures import smooth

from restore.errors import ImageError
from restore.media.image import read, size


def claiming(suffix: str, width: int, height: int) -> bytes:
    """An AVIF or HEIC whose header claims a size."""
    content = (
        imagecodecs.avif_encode(smooth()) if suffix == "avif" else heic_files.heic(smooth(64, 64))
    )
    claim = b"ispe\0\0\0\0" + struct.pack(">II", width, height)
    return re.sub(rb"ispe\0\0\0\0.{8}", lambda found: claim, bytes(content), flags=re.DOTALL)


@pytest.mark.parametrize("suffix", ["avif", "heic"])
def test_a_size_beyond_the_limit_is_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"in.{suffix}"
    path.write_bytes(claiming(suffix, 40_000, 30_000))
    told = "has more than 500,000,000 pixels; refused unless max_pixels=1200000000"
    for work in (read, size):
        with pytest.raises(ImageError, match=told):
            work(path)


def test_a_size_beyond_the_decoder_is_named(tmp_path: Path) -> None:
    path = tmp_path / "in.avif"
    path.write_bytes(claiming("avif", 20_000, 20_000))
    with pytest.raises(ImageError, match="has 400,000,000 pixels; libavif decodes at most 268,435"):
        read(path)
