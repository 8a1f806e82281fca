"""Floats and linear numbers: what the network sees, and that nothing else changes."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import cv2
import icc
import numpy as np
import OpenEXR
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from media_files import Kind, chunk, deep_png, exr, with_chunks, write_exr
from pictures import copied, smooth
from PIL import Image

from restore.media import formats, light
from restore.media.hidden_colours import filled
from restore.media.image import check_fits, read, write
from restore.media.picture import DEPTHS, FULL, ICC, LINEAR, Picture

LEVELS = np.arange(65536, dtype=np.uint16).reshape(256, 256)
LINEAR_GAMMA = chunk(b"gAMA", struct.pack(">I", 100_000))


def floats(alpha: bool = False) -> np.ndarray:
    """H x W x 3 or 4 with black, white, and what lies beyond both."""
    values = np.random.default_rng(0).normal(0.5, 1, (9, 13, 3)).astype(np.float32)
    values[0, :4, 0] = (0, 1, 65504, -3)
    cover = np.random.default_rng(1).random((9, 13)).astype(np.float32)
    return np.dstack((values, cover)) if alpha else values


def brighter(encoded: np.ndarray) -> np.ndarray:
    full = FULL[encoded.dtype]
    return np.clip(encoded * 0.5 + 0.5 * full, 0, full).astype(encoded.dtype)


# Files


@pytest.mark.parametrize("suffix", [".tif", ".pfm", ".exr"])
@pytest.mark.parametrize("grey", [False, True], ids=["colour", "grey"])
def test_floats_are_kept_bit_by_bit(tmp_path: Path, suffix: str, grey: bool) -> None:
    values = floats()[..., 0].copy() if grey else floats()
    values.flat[5:8] = (np.inf, -np.inf, np.nan)
    write(Picture(values, None, {}), tmp_path / f"in{suffix}")
    again = read(copied(tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"))
    assert again.pixels.dtype == np.float32
    assert again.is_linear
    np.testing.assert_array_equal(again.pixels, values)
    other = {
        ".tif": lambda path: tifffile.imread(path),
        ".pfm": lambda path: cv2.imread(path, cv2.IMREAD_UNCHANGED)[..., :: 1 if grey else -1],
        ".exr": lambda path: OpenEXR.File(path).channels()["Y" if grey else "RGB"].pixels,
    }[suffix](str(tmp_path / f"out{suffix}"))
    np.testing.assert_array_equal(other, values)


def test_a_pfm_of_the_other_byte_order_is_read(tmp_path: Path) -> None:
    values = floats()
    (tmp_path / "in.pfm").write_bytes(b"PF\n13 9\n1.0\n" + values[::-1].astype(">f4").tobytes())
    np.testing.assert_array_equal(read(tmp_path / "in.pfm").pixels, values)


def test_halves_stay_halves_unless_more_is_asked_for(tmp_path: Path) -> None:
    start, kind = tmp_path / "in.exr", formats.EXR
    exr(start, Kind(kind, "32f", floats().astype(np.float16), {}), np.float16)
    picture = read(start)
    np.testing.assert_array_equal(picture.pixels, floats().astype(np.float16).astype(np.float32))
    for asked, dtype in (({}, np.float16), ({"bit_depth": "32f"}, np.float32)):
        write(Picture(picture.pixels, None, picture.info | asked), tmp_path / "out.exr")
        stored = OpenEXR.File(str(tmp_path / "out.exr")).channels()["RGB"].pixels
        assert stored.dtype == dtype
        np.testing.assert_array_equal(stored, picture.pixels)


def test_halves_and_doubles_in_a_tiff_become_floats(tmp_path: Path) -> None:
    for dtype in (np.float16, np.float64):
        tifffile.imwrite(tmp_path / "in.tif", floats().astype(dtype), photometric="rgb")
        picture = read(tmp_path / "in.tif")
        np.testing.assert_array_equal(picture.pixels, floats().astype(dtype).astype(np.float32))
        assert any("64 bits" in note for note in picture.notes) == (dtype == np.float64)


def test_light_without_alpha_stays_in_an_exr_and_there_alone(tmp_path: Path) -> None:
    glow = np.full((4, 4), 2.5, np.float32)
    clear = np.zeros((4, 4), np.float32)
    write_exr(tmp_path / "in.exr", dict.fromkeys("RGB", glow) | {"A": clear})
    copied(tmp_path / "in.exr", tmp_path / "out.exr")
    stored = OpenEXR.File(str(tmp_path / "out.exr"), separate_channels=True).channels()
    np.testing.assert_array_equal(stored["R"].pixels, glow)
    # Colours of a PNG under full transparency are not light.
    saved = np.dstack((smooth(4, 4), np.zeros((4, 4), np.uint8)))
    Image.fromarray(saved).save(tmp_path / "in.png")
    copied(tmp_path / "in.png", tmp_path / "hidden.exr")
    stored = OpenEXR.File(str(tmp_path / "hidden.exr"), separate_channels=True).channels()
    assert not stored["R"].pixels.any()


def test_other_channels_of_an_exr_are_named(tmp_path: Path) -> None:
    plane = floats()[..., 0].copy()
    write_exr(tmp_path / "in.exr", dict.fromkeys(("R", "G", "B", "Z"), plane))
    assert read(tmp_path / "in.exr").notes == ("its channels Z are not kept",)


# Linear pixels, and their conversion for other formats


def linear_files(folder: Path) -> dict[str, Path]:
    """Files that say in their own ways that their numbers, all 65,536 levels, are light."""
    kind = Kind(formats.PNG, "16", LEVELS[..., None], {})
    deep_png(folder / "profile.png", Kind(kind.format, "16", kind.stored, {ICC: icc.grey(1)}))
    deep_png(folder / "plain.png", kind)
    content = (folder / "plain.png").read_bytes()
    (folder / "gamma.png").write_bytes(with_chunks(content, {}, LINEAR_GAMMA))
    points = chunk(b"cICP", bytes((1, 8, 0, 1)))
    (folder / "points.png").write_bytes(with_chunks(content, {}, points))
    tifffile.imwrite(folder / "profile.tif", LEVELS, iccprofile=icc.grey(1), metadata=None)
    names = ("profile.png", "gamma.png", "points.png", "profile.tif")
    return {name: folder / name for name in names}


def test_integers_may_be_linear_and_are_returned_so(tmp_path: Path) -> None:
    for name, path in linear_files(tmp_path).items():
        picture = read(path)
        assert picture.is_linear, name
        np.testing.assert_array_equal(picture.through(lambda seen: seen).pixels, LEVELS)
        done = picture.through(brighter)
        expected = light.decode(brighter(light.encode((LEVELS / 65535).astype(np.float32))))
        np.testing.assert_allclose(done.pixels / 65535, expected, atol=1.1 / 65535)
        write(done, tmp_path / f"out-{name}")
        again = read(tmp_path / f"out-{name}")
        assert again.is_linear, name
        np.testing.assert_array_equal(again.pixels, done.pixels)


@pytest.mark.parametrize("suffix", [".jpg", ".bmp", ".ppm", ".exr", ".pfm", ".tif", ".webp"])
@pytest.mark.parametrize("start", ["gamma.png", "profile.tif"])
def test_light_stays_the_same_where_nothing_can_say_so(
    tmp_path: Path, suffix: str, start: str
) -> None:
    again = read(copied(linear_files(tmp_path)[start], tmp_path / f"out{suffix}"))
    values = again.pixels / float(FULL[again.pixels.dtype])
    values = values[..., 0] if values.ndim == 3 else values
    seen = values if not again.is_linear else light.encode(values.astype(np.float32))
    expected = light.encode((LEVELS / 65535).astype(np.float32))
    np.testing.assert_allclose(seen, expected, atol=0.03 if suffix in (".jpg", ".webp") else 0.003)


@pytest.mark.parametrize("source", ["icc", "gamma"])
def test_encoded_numbers_become_light_in_floats(tmp_path: Path, source: str) -> None:
    info: dict[str, Any] = {ICC: icc.rgb(2.2)} if source == "icc" else {LINEAR: False}
    write(Picture(smooth(), None, info), tmp_path / "out.exr")
    expected = light.decode((smooth() / 255).astype(np.float32))
    np.testing.assert_allclose(read(tmp_path / "out.exr").pixels, expected, atol=1e-6)


def test_colours_that_chunks_alone_describe_are_missed(tmp_path: Path) -> None:
    wide = chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000))
    Image.fromarray(smooth()).save(tmp_path / "plain.png")
    content = (tmp_path / "plain.png").read_bytes()
    usual = chunk(b"gAMA", struct.pack(">I", 45455))
    for more, missed in ((wide, True), (usual, False), (usual + wide, True), (LINEAR_GAMMA, False)):
        (tmp_path / "in.png").write_bytes(with_chunks(content, {}, more))
        picture = read(tmp_path / "in.png")
        said = "TIFF cannot store a PNG's gamma and primaries: colours may change"
        assert (said in check_fits(picture, "out.tif")) == missed
        assert check_fits(picture, "out.png") == ()
        copied(tmp_path / "in.png", tmp_path / "out.png")
        assert more in (tmp_path / "out.png").read_bytes()


# Through a restoration

PICTURES = arrays.array_shapes(min_dims=2, max_dims=2, max_side=5).flatmap(
    lambda size: st.sampled_from(list(DEPTHS.values())).flatmap(
        lambda dtype: st.tuples(
            arrays.arrays(dtype, (*size, 3), elements=_any(dtype)),
            arrays.arrays(dtype, size, elements=_cover(dtype)),
        )
    )
)


def _any(dtype: np.dtype) -> Any:
    if dtype.kind == "f":
        return st.floats(-1e6, 1e6, width=32)
    return st.integers(0, np.iinfo(dtype).max)


def _cover(dtype: np.dtype) -> Any:
    return st.sampled_from([0, 1] if dtype.kind == "f" else [0, 1, np.iinfo(dtype).max])


@given(PICTURES, st.sampled_from([{}, {LINEAR: True}, {LINEAR: False}, {ICC: icc.rgb(1)}]))
@settings(max_examples=150, deadline=None)
def test_doing_nothing_changes_no_bit(
    channels: tuple[np.ndarray, np.ndarray], info: dict[str, Any]
) -> None:
    pixels, alpha = channels
    picture = Picture(pixels, alpha, info)
    before = pixels.copy()

    def nothing(seen: np.ndarray) -> np.ndarray:
        assert seen.shape == pixels.shape
        assert seen.dtype in (pixels.dtype, np.float32)
        if seen.dtype == np.float32:
            assert seen.min() >= 0
            assert seen.max() <= 1
        return np.clip(seen, 0, FULL[seen.dtype])  # as the engine does

    done = picture.through(nothing)
    np.testing.assert_array_equal(done.pixels, before)
    np.testing.assert_array_equal(pixels, before)
    assert done.alpha is alpha


def test_what_lies_beyond_white_and_black_stays_beyond() -> None:
    values = np.array([[[-0.5, 0.0, 4.0]]], np.float32)
    done = Picture(values, None, {}).through(brighter).pixels[0, 0]
    lifted = float(light.decode(np.float32(0.5)))
    assert done == pytest.approx([-0.5 + lifted, lifted, 4.0], abs=1e-6)


def test_floats_that_are_encoded_are_seen_as_they_are() -> None:
    values = np.linspace(0, 1, 12, dtype=np.float32).reshape(2, 2, 3)
    seen = []
    Picture(values, None, {ICC: icc.rgb(2.2)}).through(lambda x: seen.append(x) or x)
    np.testing.assert_array_equal(seen[0], values)
    Picture(values, None, {}).through(lambda x: seen.append(x) or x)
    np.testing.assert_array_equal(seen[1], light.encode(values))


def test_what_cannot_be_a_number_becomes_black_in_integers() -> None:
    values = np.array([[np.nan, np.inf, -np.inf, 2.0]], np.float32)
    assert Picture(values, None, {}).in_8_bits().pixels.tolist() == [[0, 255, 0, 255]]


def test_the_curve_is_its_own_inverse_for_every_level() -> None:
    values = (np.arange(65536) / 65535).astype(np.float32)
    back = light.decode(light.encode(values))
    assert np.abs(back - values).max() < 0.1 / 65535
    np.testing.assert_array_equal(light.encode(-values), -light.encode(values))


@pytest.mark.parametrize("damage", [b"", b"x" * 131, icc.rgb(1)[:300], b"\xff" * 600])
def test_a_damaged_profile_says_nothing(damage: bytes) -> None:
    assert not light.is_linear(damage)


# Transparency


@given(
    arrays.arrays(
        np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=_cover(DEPTHS["8"])
    )
)
@settings(max_examples=150, deadline=None)
def test_what_is_hidden_looks_like_the_nearest_seen(alpha: np.ndarray) -> None:
    height, width = alpha.shape
    pixels = np.arange(height * width).reshape(height, width).astype(np.uint16)
    result = filled(pixels, alpha)
    seen = np.argwhere(alpha > 0)
    if not len(seen) or len(seen) == alpha.size:
        assert result is pixels
        return
    np.testing.assert_array_equal(result[alpha > 0], pixels[alpha > 0])
    for y, x in np.argwhere(alpha == 0):
        apart = np.hypot(*(seen - (y, x)).T)
        taken = divmod(int(result[y, x]), width)
        assert alpha[taken] > 0
        assert np.hypot(taken[0] - y, taken[1] - x) <= apart.min() * 1.05 + 0.5


@pytest.mark.parametrize("dtype", DEPTHS.values(), ids=DEPTHS)
def test_hidden_colours_do_not_bleed_and_do_not_change(dtype: np.dtype) -> None:
    full = FULL[dtype]
    pixels = np.full((20, 20, 3), full // 4 if full > 1 else 0.25, dtype)
    alpha = np.full((20, 20), full, dtype)
    alpha[:, 10:] = 0
    pixels[:, 10:] = full  # white that is transparent

    def blur(seen: np.ndarray) -> np.ndarray:
        return cv2.blur(seen, (5, 5))

    done = Picture(pixels, alpha, {}).through(blur)
    np.testing.assert_allclose(done.pixels, pixels, atol=1e-6 if dtype.kind == "f" else 0)
    np.testing.assert_array_equal(done.pixels[:, 10:], pixels[:, 10:])
