"""Frames in files of their own, without a network: what is said, and what is refused at once."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import zlib
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from clips import SIZE, ClipRecipe, frames, make, scene, stamps
from pictures import ICC, metadata, saved
from PIL import Image

from restore.errors import ImageError
from restore.jobs.clip_work_folder import ResumePolicy
from restore.jobs.image_sequence import (
    RestoredFrames,
    extract,
    extract_animation,
    restore_animation,
    restore_numbered,
)
from restore.jobs.resumable_clip import write_clip
from restore.media.image import read
from restore.media.video import animation
from restore.media.video.detect import animation_format, numbers
from restore.media.video.encoders import EncodeOptions, choose
from restore.media.video.probe import probe
from restore.media.video.sequence import as_clip, as_picture, moving
from restore.media.video.stream import Clip


def same(images: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    yield from images


def never(images: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    raise AssertionError("work has begun")


def quiet(done: int, total: int) -> None:
    assert done <= total


def deep(path: Path, pictures: np.ndarray) -> Path:
    """An animated PNG of 16-bit pictures N x H x W or N x H x W x 3, each shown for 50 ms."""
    height, width = pictures.shape[1:3]

    def chunk(name: bytes, content: bytes) -> bytes:
        check = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)

    kind = 0 if pictures.ndim == 3 else 2
    content = b"\x89PNG\r\n\x1a\n"
    content += chunk(b"IHDR", struct.pack(">2I5B", width, height, 16, kind, 0, 0, 0))
    content += chunk(b"acTL", struct.pack(">2I", len(pictures), 0))
    for number, picture in enumerate(pictures):
        order = max(0, 2 * number - 1)
        content += chunk(
            b"fcTL", struct.pack(">5I2H2B", order, width, height, 0, 0, 50, 1000, 0, 0)
        )
        rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in picture)
        before = struct.pack(">I", order + 1) if number else b""
        content += chunk(b"fdAT" if number else b"IDAT", before + zlib.compress(rows))
    path.write_bytes(content + chunk(b"IEND", b""))
    return path


def test_a_folder_is_numbered_from_1_and_what_is_lost_is_said_once(tmp_path: Path) -> None:
    import tifffile

    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(3):
        tifffile.imwrite(
            folder / f"{number}.tif", scene(number).astype(np.uint16) * 257, photometric="rgb"
        )
    done = restore_numbered(folder, tmp_path / "f%d.jpg", same, ResumePolicy(), quiet)
    note = "16 bits per channel become 8, the most that JPEG holds; also 2 more"
    assert done == RestoredFrames(3, 0, (f"{folder / '0.tif'}: {note}",), SIZE)
    assert numbers(tmp_path / "f%d.jpg") == [1, 2, 3]


def test_a_number_counts_in_the_spelling_of_the_pattern(tmp_path: Path) -> None:
    for name in ("0.png", "000.png", "1.png", "0002.png", "a.png"):
        (tmp_path / name).touch()
    assert numbers(tmp_path / "%d.png") == [0, 1]
    assert numbers(tmp_path / "%03d.png") == [0]
    assert numbers(tmp_path / "%04d.png") == [2]


def test_rejects_pictures_richer_than_the_first(tmp_path: Path) -> None:
    grey, colour = scene(0)[..., 0], scene(0)
    opaque = np.dstack((colour, np.full((48, 64), 255, np.uint8)))
    clear = np.dstack((colour, colour[..., 0]))
    for first, second, what in (
        (grey, colour, "colours"),
        (colour, clear, "transparency"),
        (grey, grey.astype(np.uint16) * 257, "more bits per channel"),
        (colour, grey, ""),
        (colour, opaque, ""),
        (clear, colour, ""),
    ):
        for number, pixels in enumerate((first, second)):
            Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        source = as_clip(tmp_path / "%d.png", Fraction(25))
        if what:
            with pytest.raises(ImageError, match=rf"1.png: has {what}, which 0.png has not"):
                list(source.frames())
        else:
            found = list(source.frames())[1].to_ndarray(format="rgb24")
            wanted = second if second.ndim == 3 else np.dstack([second] * 3)
            np.testing.assert_array_equal(found, wanted[..., :3])


def test_states_metadata_that_a_clip_cannot_store(tmp_path: Path) -> None:
    for number in range(2):
        saved(tmp_path / f"{number}.png", scene(number), icc_profile=ICC)
    source = as_clip(tmp_path / "%d.png", Fraction(25))
    list(source.frames())
    (note,) = source.notes
    assert note.endswith("0.png: a clip cannot store the colour profile of a picture; also 1 more")


def test_states_properties_that_pictures_cannot_store(tmp_path: Path) -> None:
    recipe = ClipRecipe(pixel_format="yuv420p10le", aspect=Fraction(4, 3), colour=(1, 9, 9, 16))
    source = make(tmp_path / "in.mp4", recipe)
    done = extract(probe(source), tmp_path / "%d.jpg", same, ResumePolicy(), quiet)
    assert done.made == 20
    assert [note.removeprefix(f"{source}: ") for note in done.notes] == [
        "its pixels are 1.333 times as wide as high, which image files cannot store: "
        "they look too narrow",
        "is HDR (PQ), which image files cannot store: they look pale",
        "16 bits per channel become 8, the most that JPEG holds",
    ]


def test_a_clip_is_refused_before_any_work(tmp_path: Path) -> None:
    source = probe(make(tmp_path / "in.mkv", ClipRecipe("ffv1", "bgra")))
    (tmp_path / "z3.png").touch()
    for name, what in (
        ("z%d.png", "z3.png: exists already; resume=True makes"),
        ("z%d.mkv", "unknown output format '.mkv'"),
    ):
        with pytest.raises(ImageError, match=what):
            extract(source, tmp_path / name, never, ResumePolicy(), quiet)
    Image.fromarray(np.dstack((scene(0), scene(0)[..., 0]))).save(tmp_path / "clear1.png")
    with pytest.raises(ImageError, match="JPEG cannot keep the picture's transparency"):
        restore_numbered(
            tmp_path / "clear%d.png", tmp_path / "c%d.jpg", never, ResumePolicy(), quiet
        )
    (tmp_path / "z3.png").rename(tmp_path / "z21.png")  # which the clip does not reach
    assert extract(source, tmp_path / "z%d.png", same, ResumePolicy(), quiet).made == 20


@pytest.mark.parametrize("matrix", [(a, b) for a in (1, -1) for b in (1, -1)], ids=str)
@pytest.mark.parametrize("sideways", [False, True])
def test_pictures_are_turned_and_mirrored_as_players_do(
    matrix: tuple[int, int], sideways: bool
) -> None:
    """By what ISO/IEC 14496-12 says a matrix does to a point."""
    one = 1 << 16
    (p, q), zero = (value * one for value in matrix), 0
    a, b, c, d = (zero, p, q, zero) if sideways else (p, zero, zero, q)
    clip = Clip(
        *(Path("in.mp4"), "mov", 0, "h264", "", (2, 3), "gbrp", Fraction(1, 25), Fraction(25), 1),
        display_matrix=(a, b, 0, c, d, 0, 0, 0, 1 << 30),
    )
    stored = np.arange(18, dtype=np.float32).reshape(2, 3, 3) / 255
    upright = as_picture(clip, stored, None).pixels
    assert upright.shape[:2] == ((3, 2) if sideways else (2, 3))
    places = {(a * x + c * y, b * x + d * y): (y, x) for y in range(2) for x in range(3)}
    columns, rows = (sorted({place[i] for place in places}) for i in (0, 1))
    for (across, down), (y, x) in places.items():
        found = upright[rows.index(down), columns.index(across)]
        np.testing.assert_array_equal(found, stored[y, x] * 255)


def animated(path: Path, **options: object) -> Path:
    first, *others = (Image.fromarray(scene(number)) for number in range(4))
    first.save(path, save_all=True, append_images=others, duration=[40, 80, 120, 160], **options)
    return path


@pytest.mark.parametrize("lossless", [False, True])
def test_an_animated_webp_stays_as_exact_as_it_was(tmp_path: Path, lossless: bool) -> None:
    source = animated(tmp_path / "in.webp", lossless=lossless)
    target = tmp_path / "out.webp"
    assert restore_animation(source, target, same, quiet) == RestoredFrames(4, size=SIZE)
    assert animation.read(target).lossless == lossless
    pairs = zip(animation.read(source).pictures(), animation.read(target).pictures(), strict=True)
    exact = [np.array_equal(old.pixels, new.pixels) for old, new in pairs]
    assert all(exact) == lossless


@pytest.mark.parametrize("grey", [False, True])
def test_an_animation_of_16_bits_becomes_8_and_grey_stays_grey(tmp_path: Path, grey: bool) -> None:
    wide = np.arange(4 * 48 * 64, dtype=np.uint16).reshape(4, 48, 64) * 5
    pictures = wide if grey else np.stack((wide, wide[::-1], wide // 2), axis=3)
    source, target = deep(tmp_path / "in.png", pictures), tmp_path / "out.png"
    done = restore_animation(source, target, same, quiet)
    assert done.notes == ("16 bits per channel become 8: animations are restored in 8",)
    with Image.open(target) as made:
        made.seek(3)
        assert made.mode == ("L" if grey else "RGB")
        error = np.abs(np.asarray(made) - pictures[3] / 257)
        assert error.max() <= (0.51 if grey else 1)


def test_states_metadata_that_an_animation_cannot_store(tmp_path: Path) -> None:
    source = animated(tmp_path / "in.png", icc_profile=ICC)
    assert restore_animation(source, tmp_path / "out.gif", same, quiet).notes == (
        "an animated GIF cannot store the colour profile",
        "GIF has at most 256 colours",
    )


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="needs exiftool")
@pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
def test_animations_keep_or_name_what_exiftool_reads(tmp_path: Path, suffix: str) -> None:
    exif = metadata().tobytes() if suffix != "gif" else None
    source = animated(tmp_path / f"in.{suffix}", exif=exif, comment=b"said")
    told = ["exiftool", "-q", "-overwrite_original", "-XMP-dc:Title=one", source]
    if suffix == "png":
        told[3:3] = ["-PNG:Author=Ann", "-PNG:PixelsPerUnitX=3000", "-PNG:PixelsPerUnitY=3000"]
    subprocess.run(told, check=True)
    for target in ("gif", "png", "webp"):
        done = restore_animation(source, tmp_path / f"out.{target}", same, quiet)
        groups = {
            "XMP-dc:Title": "XMP",
            "ExifIFD:DateTimeOriginal": "EXIF",
            "GIF:Comment": "comment",
            "PNG:Author": "texts of a PNG",
        }
        command = ["exiftool", "-json", "-G1", *(f"-{name}" for name in groups)]
        made = (tmp_path / f"out.{target}", source)
        after, before = (
            json.loads(subprocess.run([*command, path], capture_output=True, check=True).stdout)[0]
            for path in made
        )
        assert len(before) > 1
        for name in before.keys() & groups.keys():
            named = any(f"cannot store the {groups[name]}" in note for note in done.notes)
            assert (after.get(name) == before[name]) != named, (target, name, done.notes)
        assert animation.read(made[0]).durations == animation.read(source).durations


def test_pictures_of_an_animation_have_its_profile(tmp_path: Path) -> None:
    source = animated(tmp_path / "in.webp", icc_profile=ICC, lossless=True)
    extract_animation(source, tmp_path / "%d.png", same, ResumePolicy(), quiet)
    assert read(tmp_path / "4.png").info["icc_profile"] == ICC
    done = extract_animation(source, tmp_path / "%d.bmp", same, ResumePolicy(), quiet)
    assert any("BMP cannot store the colour profile" in note for note in done.notes)


def test_an_animation_too_large_for_memory_is_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = animated(tmp_path / "in.gif")
    monkeypatch.setattr(animation, "MOST", 4 * 64 * 48 - 1)
    with pytest.raises(ImageError, match=r"in.gif: its 4 pictures of 64 x 48 have more than"):
        restore_animation(source, tmp_path / "out.gif", never, quiet)
    assert extract_animation(
        source, tmp_path / "%d.png", same, ResumePolicy(), quiet
    ) == RestoredFrames(4, size=SIZE)


def test_an_animated_webp_becomes_pictures_and_a_clip(tmp_path: Path) -> None:
    source = animated(tmp_path / "in.webp", lossless=True)
    assert animation_format(source) == "WEBP"
    pattern = tmp_path / "out%d.png"
    assert extract_animation(source, pattern, same, ResumePolicy(), quiet) == RestoredFrames(
        4, size=SIZE
    )
    np.testing.assert_array_equal(read(tmp_path / "out4.png").pixels, scene(3))
    with pytest.raises(ImageError, match=r"out1.png: exists already"):
        extract_animation(source, pattern, never, ResumePolicy(), quiet)
    (tmp_path / "out2.png").unlink()
    assert extract_animation(
        source, pattern, same, ResumePolicy(resume=True), quiet
    ) == RestoredFrames(1, 3, size=SIZE)
    notes = extract_animation(source, tmp_path / "out%d.gif", same, ResumePolicy(), quiet).notes
    first = tmp_path / "out1.gif"
    assert notes == (f"{first}: GIF has at most 256 colours; also 3 more",)
    clip, target = moving(source), tmp_path / "out.mkv"
    write_clip(clip, target, choose(clip.clip, target, EncodeOptions("ffv1")), same, {})
    assert stamps(target) == [Fraction(n, 1000) for n in (0, 40, 120, 240)]
    np.testing.assert_array_equal(frames(target)[3].to_ndarray(format="rgb24"), scene(3))
