"""Numbered pictures and animations, without a network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from clips import SIZE, ClipRecipe, frames, make, scene, stamps
from pictures import ICC, coverage, metadata, saved, smooth
from PIL import Image

from restore.errors import ImageError
from restore.jobs.clip_work_folder import ResumePolicy
from restore.jobs.image_sequence import RestoredFrames, extract, restore_animation, restore_numbered
from restore.jobs.resumable_clip import write_clip
from restore.media.image import read
from restore.media.video import detect
from restore.media.video.encoders import EncodeOptions, choose
from restore.media.video.probe import probe
from restore.media.video.sequence import as_clip


def inverted(images: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    for image in images:
        peak = 1 if image.dtype == np.float32 else np.iinfo(image.dtype).max
        yield peak - np.clip(image, 0, peak)


def quiet(done: int, total: int) -> None:
    assert done <= total


@pytest.fixture
def numbered(tmp_path: Path) -> Path:
    (tmp_path / "frames").mkdir()
    (tmp_path / "out").mkdir()
    for number in (9, 10, 12):
        path = tmp_path / "frames" / f"{number:04}.png"
        saved(path, scene(number), icc_profile=ICC, exif=metadata())
    return tmp_path / "frames" / "%04d.png"


def test_numbers_and_what_stands_beside_the_pixels_are_kept(numbered: Path, tmp_path: Path) -> None:
    out = tmp_path / "out" / "f%d.png"
    assert restore_numbered(numbered, out, inverted, ResumePolicy(), quiet) == RestoredFrames(
        3, size=SIZE
    )
    assert sorted(p.name for p in out.parent.iterdir()) == ["f10.png", "f12.png", "f9.png"]
    made = read(out.with_name("f9.png"))
    np.testing.assert_array_equal(made.pixels, 255 - scene(9))
    assert made.info["icc_profile"] == ICC
    assert b"Maker" in made.info["exif"]
    with pytest.raises(
        ImageError, match=r"f9.png: exists already; resume=True makes the missing ones"
    ):
        restore_numbered(numbered, out, inverted, ResumePolicy(), quiet)
    out.with_name("f10.png").unlink()
    assert restore_numbered(
        numbered, out, inverted, ResumePolicy(resume=True), quiet
    ) == RestoredFrames(1, 2, size=SIZE)
    assert restore_numbered(
        numbered, out, inverted, ResumePolicy(overwrite=True), quiet
    ) == RestoredFrames(3, size=SIZE)
    with pytest.raises(ImageError, match="would replace the input"):
        restore_numbered(numbered, numbered, inverted, ResumePolicy(), quiet)
    with pytest.raises(ImageError, match="no images of this pattern"):
        restore_numbered(tmp_path / "none%d.png", out, inverted, ResumePolicy(), quiet)


@pytest.mark.parametrize("depth", [8, 16])
def test_pictures_become_a_clip_of_their_depth(tmp_path: Path, depth: int) -> None:
    import imagecodecs

    for number in range(5):
        picture = scene(number) if depth == 8 else scene(number).astype(np.uint16) * 257
        (tmp_path / f"{number:03}.png").write_bytes(imagecodecs.png_encode(picture))
    source = as_clip(tmp_path / "%03d.png", Fraction(30000, 1001))
    for suffix, codec, pixel_format in (
        (".mp4", None, "yuv420p" if depth == 8 else "yuv420p10le"),
        (".mkv", "ffv1", "bgr0" if depth == 8 else "gbrp16le"),
    ):
        target = tmp_path / f"out{suffix}"
        wishes = EncodeOptions(codec)
        if depth == 16 and codec is None:  # deeper than H.264 goes
            with pytest.raises(ImageError, match="cannot hold gbrp16le without loss"):
                choose(source.clip, target, wishes)
            wishes = EncodeOptions(codec, None, pixel_format)
        encoding = choose(source.clip, target, wishes)
        made = write_clip(source, target, encoding, inverted, {})
        assert made.frames == 5
        assert frames(target)[0].format.name == pixel_format
        assert stamps(target)[4] == pytest.approx(4 * 1001 / 30000, abs=1e-3)
        found = frames(target)[3].to_ndarray(format="rgb48le") / 257
        assert np.abs(found - (255 - scene(3))).mean() < (1 if codec else 4)
    saved(tmp_path / "002.png", scene(0, 20, 20))
    target = tmp_path / "another.mkv"
    encoding = choose(source.clip, target, EncodeOptions("ffv1"))
    with pytest.raises(ImageError, match=r"002.png: is 20 x 20, but 000.png is 64 x 48"):
        write_clip(source, target, encoding, inverted, {})


def test_a_clip_becomes_upright_pictures_of_its_depth(tmp_path: Path) -> None:
    for name, recipe, dtype in (
        ("deep.mp4", ClipRecipe(pixel_format="yuv420p10le", turned=True), np.uint16),
        ("flat.mkv", ClipRecipe("ffv1", "bgra"), np.uint8),
    ):
        source = make(tmp_path / name, recipe)
        pattern = tmp_path / f"{name}-%03d.png"
        assert extract(probe(source), pattern, inverted, ResumePolicy(), quiet) == RestoredFrames(
            20, size=SIZE
        )
        picture = read(detect.numbered(pattern, 20))
        assert picture.pixels.dtype == dtype
        peak = np.iinfo(dtype).max
        expected = 1 - scene(19) / 255
        if recipe.turned:
            expected = np.rot90(expected, frames(source)[0].rotation // 90)
        assert np.abs(picture.pixels / peak - expected).mean() < 0.02
        assert (picture.alpha is not None) == (recipe.pixel_format == "bgra")
    assert extract(
        probe(source), pattern, inverted, ResumePolicy(resume=True), quiet
    ) == RestoredFrames(0, 20)


def animated(path: Path, alpha: bool = False, loop: int | None = 0, count: int = 4) -> Path:
    """Pictures that differ, shown for 40, 80, 120, ... milliseconds."""
    pictures = []
    for number in range(count):
        picture = Image.fromarray(scene(number))
        if alpha:
            picture.putalpha(
                Image.fromarray(np.where(coverage(48, 64) > 99, 255, 0).astype(np.uint8))
            )
        pictures.append(picture)
    times = {} if loop is None else {"loop": loop}
    durations = [40 * (n + 1) for n in range(count)]
    lossless = {"lossless": True} if path.suffix == ".webp" else {}
    pictures[0].save(
        path, save_all=True, append_images=pictures[1:], duration=durations, **times, **lossless
    )
    return path


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize(
    ("before", "after"), [(".gif", ".gif"), (".webp", ".webp"), (".png", ".png"), (".gif", ".png")]
)
def test_animations_keep_times_repetitions_and_transparency(
    tmp_path: Path, before: str, after: str, alpha: bool
) -> None:
    source = animated(tmp_path / f"in{before}", alpha, loop=3)
    target = tmp_path / f"out{after}"
    assert restore_animation(source, target, inverted, quiet).made == 4
    assert detect.is_animated(source)
    with Image.open(source) as old, Image.open(target) as new:
        assert new.n_frames == 4
        repeated = 1 if before == ".gif" and after == ".png" else 0  # GIF counts repetitions
        assert new.info["loop"] == 3 + repeated
        for number in range(4):
            old.seek(number)
            new.seek(number)
            pair = [np.asarray(picture.convert("RGBA")).astype(int) for picture in (old, new)]
            assert new.info["duration"] == old.info["duration"] == 40 * (number + 1)
            np.testing.assert_array_equal(pair[0][..., 3], pair[1][..., 3])
            assert (pair[1][..., 3].min() == 0) == alpha
            seen = pair[0][..., 3] > 0
            error = np.abs(pair[1][seen][:, :3] - (255 - pair[0][seen][:, :3])).mean()
            assert error < {".gif": 10, ".webp": 8, ".png": 0.01}[after]


def test_an_animation_that_plays_once_plays_once(tmp_path: Path) -> None:
    source = animated(tmp_path / "in.gif", loop=None)
    for name, loop in (("out.gif", None), ("out.png", 1), ("out.webp", 1)):
        restore_animation(source, tmp_path / name, inverted, quiet)
        with Image.open(tmp_path / name) as made:
            made.load()
            assert made.info.get("loop") == loop


def test_what_is_no_animation_is_one_line(tmp_path: Path) -> None:
    source = animated(tmp_path / "in.gif")
    with pytest.raises(
        ImageError, match=r"out.jpg: cannot hold an animation; use one of .apng, .gif"
    ):
        restore_animation(source, tmp_path / "out.jpg", inverted, quiet)
    source.write_bytes(source.read_bytes()[:900])
    with pytest.raises(ImageError, match=r"in.gif: damaged"):
        restore_animation(source, tmp_path / "out.gif", inverted, quiet)
    assert not (tmp_path / "out.gif").exists()
    assert not detect.is_animated(saved(tmp_path / "still.png", smooth()))
    assert not detect.is_animated(tmp_path / "none.gif")


def test_an_animation_becomes_a_clip(tmp_path: Path) -> None:
    from restore.jobs.resumable_clip import settle

    source, target = animated(tmp_path / "in.gif"), tmp_path / "out.mkv"
    file, encoding = settle(source, target, EncodeOptions("ffv1"))
    assert write_clip(file, target, encoding, inverted, {}).frames == 4
    assert stamps(target) == [Fraction(n, 1000) for n in (0, 40, 120, 240)]
    with av.open(str(target)) as clip:
        assert clip.streams.video[0].codec_context.name == "ffv1"
