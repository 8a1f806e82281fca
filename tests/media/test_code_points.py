"""Colour stated by code points: kept, turned into a profile, or refused."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import av
import heic_files
import imagecodecs
import numpy as np
import pillow_heif
import pytest
from media_files import chunk, with_chunks
from pictures import copied, smooth
from PIL import Image, ImageCms

from restore.errors import ImageError
from restore.media import light
from restore.media.code_points import CodePoints, profile
from restore.media.formats.jpegxl.code_stream_colour import PEAKS
from restore.media.formats.jpegxl.code_stream_header import JxlColour, read_header
from restore.media.formats.jpegxl.container import read_container
from restore.media.formats.jpegxl.header_edit import rewritten
from restore.media.image import check_fits, read
from restore.media.picture import CICP, ICC, Picture

P3, BT2020_PQ, BT2020_HLG = (12, 13), (9, 16), (9, 18)
STATING = ["avif", "heic", "png"]
WITH_JXL = [*STATING, "jxl"]
LEVELS = struct.pack(">8H2I", 34000, 16000, 13250, 34500, 7500, 3000, 15635, 16450, 10_000_000, 50)
LIGHT = struct.pack(">2I", 10_000_000, 4_000_000)


def stating(suffix: str, points: tuple[int, int], path: Path) -> Path:
    """A file that states code points, made by other libraries."""
    path = path / f"in.{suffix}"
    if suffix == "avif":
        options = {"primaries": points[0], "transfer": points[1], "matrix": 6, "pixelformat": "444"}
        path.write_bytes(imagecodecs.avif_encode(smooth(), 95, **options))
    elif suffix == "heic":
        names = ("color_primaries", "transfer_characteristics")
        path.write_bytes(heic_files.heic(smooth(), **dict(zip(names, points, strict=True))))
    elif suffix == "jxl":
        stated = {(12, 13): JxlColour(primaries=11), (9, 16): JxlColour(primaries=9, transfer=16)}
        colour = stated.get(points, JxlColour(primaries=9, transfer=18))
        content = bytes(imagecodecs.jpegxl_encode(smooth(), lossless=True))
        peak = PEAKS.get(colour.transfer, 255)
        path.write_bytes(rewritten(content, colour=colour, peak=peak))
    else:
        content = imagecodecs.png_encode(smooth())
        path.write_bytes(with_chunks(content, {}, chunk(b"cICP", bytes((*points, 0, 1)))))
    return path


def found(path: Path) -> tuple[int, int]:
    """The code points of a file, found by another library."""
    if path.suffix == ".heic":
        said = pillow_heif.open_heif(path).info["nclx_profile"]
        return said["color_primaries"], said["transfer_characteristics"]
    if path.suffix == ".jxl":
        header = read_header(read_container(path.read_bytes()).code_stream)
        assert header.colour
        return {11: 12}.get(
            header.colour.primaries, header.colour.primaries
        ), header.colour.transfer
    if path.suffix == ".png":
        content = path.read_bytes()
        at = content.index(b"cICP") + 4
        assert content[at + 2 : at + 4] == b"\0\1"
        return content[at], content[at + 1]
    with av.open(str(path)) as file:
        codec = file.streams.video[0].codec_context
        return int(codec.color_primaries), int(codec.color_trc)


@pytest.mark.parametrize("points", [P3, BT2020_PQ, BT2020_HLG], ids=str)
@pytest.mark.parametrize("target", WITH_JXL)
@pytest.mark.parametrize("source", WITH_JXL)
def test_code_points_are_kept(
    tmp_path: Path, source: str, target: str, points: tuple[int, int]
) -> None:
    start = stating(source, points, tmp_path)
    assert found(start) == points
    assert check_fits(read(start), f"o.{target}") == ()
    assert found(copied(start, tmp_path / f"out.{target}")) == points


@pytest.mark.parametrize("target", ["jpg", "tif", "webp", "jp2"])
@pytest.mark.parametrize("source", WITH_JXL)
def test_other_formats_get_a_profile_of_the_same_colours(
    tmp_path: Path, source: str, target: str
) -> None:
    start = stating(source, P3, tmp_path)
    made = read(copied(start, tmp_path / f"out.{target}")).info[ICC]
    space = ImageCms.ImageCmsProfile(io.BytesIO(made))
    # Display P3's red is sRGB's (255, 0, 0) and beyond; its grey is sRGB's grey.
    srgb = ImageCms.createProfile("sRGB")
    image = Image.fromarray(np.array([[[128, 128, 128], [234, 51, 35]]], np.uint8))
    seen = np.asarray(ImageCms.profileToProfile(image, space, srgb)).astype(int)
    assert np.abs(seen[0] - [[128, 128, 128], [255, 0, 0]]).max() <= 1
    assert check_fits(read(start), f"o.{target}") == ()


@pytest.mark.parametrize("target", ["jpg", "tif", "webp", "bmp", "gif", "jp2"])
@pytest.mark.parametrize("points", [BT2020_PQ, BT2020_HLG], ids=["PQ", "HLG"])
def test_hdr_is_refused_by_formats_that_cannot_state_it(
    tmp_path: Path, points: tuple[int, int], target: str
) -> None:
    picture = read(stating("png", points, tmp_path))
    told = r"cannot hold (PQ|HLG), the curve of this HDR picture; use one of .avif, .heic, .heif"
    with pytest.raises(ImageError, match=told):
        check_fits(picture, f"o.{target}")


def test_formats_without_profiles_say_what_they_lose() -> None:
    picture = Picture(smooth(), None, {CICP: CodePoints(*P3)})
    assert check_fits(picture, "o.bmp") == (
        "BMP cannot store the colour space (code points 12/13)",
    )
    unknown = Picture(smooth(), None, {CICP: CodePoints(22, 13)})
    assert check_fits(unknown, "o.jpg") == (
        "JPEG cannot store the colour space (code points 22/13)",
    )
    assert check_fits(Picture(smooth(), None, {CICP: CodePoints(1, 13)}), "o.bmp") == ()


@pytest.mark.parametrize("primaries", [1, 5, 6, 9, 11, 12])
@pytest.mark.parametrize("transfer", [1, 4, 5, 6, 8, 13, 14, 15])
def test_profiles_are_valid_and_white_is_d50(primaries: int, transfer: int) -> None:
    content = profile(CodePoints(primaries, transfer))
    assert content is not None
    made = ImageCms.ImageCmsProfile(io.BytesIO(content)).profile
    columns = np.array([made.red_colorant[0], made.green_colorant[0], made.blue_colorant[0]])
    np.testing.assert_allclose(columns.sum(axis=0), (0.9642, 1, 0.8249), atol=3e-4)
    assert light.is_linear(content) == (transfer == 8)
    assert made.xcolor_space.strip() == "RGB"


def test_the_profile_of_srgb_has_its_colorants() -> None:
    made = ImageCms.ImageCmsProfile(io.BytesIO(profile(CodePoints(1, 13)) or b"")).profile
    known = ImageCms.createProfile("sRGB")
    for name in ("red_colorant", "green_colorant", "blue_colorant"):
        np.testing.assert_allclose(getattr(made, name)[0], getattr(known, name)[0], atol=2e-4)


@pytest.mark.parametrize("target", STATING)
def test_light_levels_of_hdr_are_kept(tmp_path: Path, target: str) -> None:
    more = (
        chunk(b"mDCV", LEVELS)
        + chunk(b"cLLI", LIGHT)
        + chunk(b"tIME", bytes((7, 232, 1, 2, 3, 4, 5)))
    )
    more += chunk(b"cICP", bytes((*BT2020_PQ, 0, 1)))
    (tmp_path / "in.png").write_bytes(with_chunks(imagecodecs.png_encode(smooth()), {}, more))
    out = copied(tmp_path / "in.png", tmp_path / f"out.{target}")
    again = read(out)
    assert again.info["mastering_display"] == LEVELS
    assert again.info["content_light_level"] == LIGHT
    if target == "heic":
        said = pillow_heif.open_heif(out).info
        assert said["content_light_level"]["max_content_light_level"] == 1000
        assert said["mastering_display_colour_volume"]["display_primaries_x"][0] == 13250
    if target == "png":
        assert chunk(b"tIME", bytes((7, 232, 1, 2, 3, 4, 5))) in out.read_bytes()
        assert out.read_bytes().index(b"mDCV") < out.read_bytes().index(b"IDAT")
    elif target == "avif":
        assert check_fits(read(tmp_path / "in.png"), out) == (
            "AVIF cannot store the time of a PNG's last change",
        )


def test_linear_code_points_are_linear(tmp_path: Path) -> None:
    for suffix in STATING:
        assert read(stating(suffix, (9, 8), tmp_path)).is_linear
    start = stating("png", (9, 8), tmp_path)
    assert found(copied(start, tmp_path / "out.avif")) == (9, 8)
    assert read(tmp_path / "out.avif").is_linear
    made = read(copied(start, tmp_path / "out.tif"))
    assert not made.is_linear  # the pixels are encoded by sRGB's curve
    assert made.info[ICC] == profile(CodePoints(9, 13))
