"""Every format x depth x channels x alpha x what travels along x orientation.

The formats are those of `restore.media.formats`. A new one, or a new promise of an old one, is
tested without a change here.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import icc
import numpy as np
import pytest
from media_files import PACKET, RESOLUTION, Kind, carried, make, opened
from pictures import coverage, smooth
from PIL import ExifTags, Image

from restore.media import formats
from restore.media.formats import FORMATS
from restore.media.formats.format import Format
from restore.media.image import check_fits, read, size, write
from restore.media.picture import CALLED, DEPTHS, DPI, EXIF, FULL, ICC, XMP, Picture

WRITABLE = [f for f in FORMATS if f.writable]
# Wide ones: whoever converts pixels by them, or takes them for sRGB, is found out.
COLOUR_PROFILE, GREY_PROFILE = icc.rgb(1.8), icc.grey(1.8)
HEIGHT, WIDTH = 14, 19


def stored(format_: Format, depth: str, grey: bool, alpha: bool) -> np.ndarray:
    """H x W x 1 to 4, with low bits that the next shallower depth would lose."""
    colour = smooth(HEIGHT, WIDTH)
    cover = coverage(HEIGHT, WIDTH)
    if format_ is formats.GIF:
        colour, cover = colour & 0xC0, np.where(cover > 100, 255, 0).astype(np.uint8)
    data = np.dstack((colour[..., :1] if grey else colour, cover) if alpha else (colour,))
    data = data[..., :1] if grey and not alpha else data
    if depth == "8":
        return data
    deep = data.astype(np.uint16) * 257
    deep[..., : 1 if grey else 3] ^= 0x55
    if depth == "16":
        return deep
    floats = (deep / np.float32(65535)).astype(np.float32)
    floats[..., 0] *= 1.5
    return floats


def upright(data: np.ndarray, orientation: int) -> np.ndarray:
    """From the definition of the EXIF tag."""
    across = data.swapaxes(0, 1)
    return {
        1: data,
        2: data[:, ::-1],
        3: data[::-1, ::-1],
        4: data[::-1],
        5: across,
        6: across[:, ::-1],
        7: across[::-1, ::-1],
        8: across[::-1],
    }[orientation]


def channels(picture: Picture) -> np.ndarray:
    """H x W x 1 to 4."""
    pixels = picture.pixels if picture.pixels.ndim == 3 else picture.pixels[..., None]
    return pixels if picture.alpha is None else np.dstack((pixels, picture.alpha))


def in_colour(data: np.ndarray) -> np.ndarray:
    """H x W x 1 or 2 with the grey three times."""
    return data if data.shape[2] > 2 else np.dstack((*[data[..., 0]] * 3, *[data[..., 1:]]))


def assert_same(actual: np.ndarray, expected: np.ndarray, format_: Format) -> None:
    """Exactly; but for colours that are lossy, or had to be multiplied by their alpha."""
    # Pillow writes GIF, and AVIF of grey with alpha, in colour.
    if actual.shape[2] > 2 and (not format_.grey or format_ in (formats.GIF, formats.AVIF)):
        expected = in_colour(expected)
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    with_alpha = actual.shape[2] in (2, 4)
    if with_alpha:
        np.testing.assert_array_equal(actual[..., -1], expected[..., -1])
        seen = expected[..., -1] > 0
        if format_ is formats.EXR:
            np.testing.assert_allclose(actual[seen], expected[seen], rtol=3e-7)
            return
        if format_ is formats.GIF:  # what is transparent has no colour there
            actual, expected = actual[seen], expected[seen]
    if format_.lossy:
        assert np.abs(actual.astype(float) - expected).mean() < 3
    else:
        np.testing.assert_array_equal(actual, expected)


def assert_carried(path: Path, info: dict[str, Any], keeps: tuple[str, ...]) -> None:
    """``info`` of an upright picture has the keys that the format keeps, and no others."""
    expected = {ICC: info.get(ICC), XMP: PACKET % 1}
    for key in CALLED:
        assert (key in info) == (key in keeps), (path, key)
    for key in {ICC, XMP} & set(keeps):
        assert info[key] == expected[key]
    if EXIF in keeps:
        assert_exif(info[EXIF])
    if DPI in keeps:
        assert info[DPI] == pytest.approx(RESOLUTION, abs=0.02)


def assert_exif(content: bytes) -> None:
    kept = Image.Exif()
    kept.load(content)
    assert kept[ExifTags.Base.Make] == "Maker"
    assert kept.get(ExifTags.Base.Orientation, 1) == 1


def matrix() -> list[Any]:
    pairs = [(f, depth) for f in WRITABLE for depth in f.depths if f.holds(depth)]
    return [pytest.param(*pair, id=f"{pair[0].name}-{pair[1]}") for pair in pairs]


@pytest.mark.parametrize(("format_", "depth"), matrix())
def test_what_goes_in_comes_out(tmp_path: Path, format_: Format, depth: str) -> None:
    suffix = format_.suffixes[0]
    turns = (0, 1, 6) if EXIF in format_.keeps else (0, 1)  # 0: nothing travels along
    if (format_, depth) in ((formats.PNG, "8"), (formats.TIFF, "16"), (formats.JPEG, "8")):
        turns = tuple(range(9))
    alphas = (False, True) if format_.alpha else (False,)
    for grey, alpha, turn in itertools.product((False, True), alphas, turns):
        data = stored(format_, depth, grey, alpha)
        profile = GREY_PROFILE if grey and format_.grey else COLOUR_PROFILE
        beside = carried(profile, turn) if turn else {}
        kept = {key: value for key, value in beside.items() if key in format_.keeps}
        source, target = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
        make(source, Kind(format_, depth, data, kept))
        picture = read(source)
        expected = upright(data, max(turn, 1))
        assert_same(channels(picture), expected, format_)
        assert size(source) == expected.shape[:2]
        assert picture.info["format"] == format_.name
        if format_ is not formats.BMP:  # Pillow's have a resolution always
            assert_carried(source, picture.info, tuple(kept))
        notes = check_fits(picture, target)
        assert notes == (("GIF has at most 256 colours",) if format_ is formats.GIF else ())
        write(picture, target)
        again = read(target)
        assert_same(channels(again), channels(picture), format_)
        if format_ is not formats.BMP or kept:
            assert_carried(target, again.info, tuple(kept))
        if kept.get(ICC):
            assert again.info[ICC] == profile
        if format_ is not formats.EXR or not alpha:  # where other programs find it multiplied
            assert_same(opened(target, format_, depth), channels(again), format_)


def depth_name(dtype: np.dtype) -> str:
    return next(depth for depth, known in DEPTHS.items() if known == dtype)


@pytest.mark.parametrize("source_depth", DEPTHS)
def test_what_a_format_cannot_hold_is_said(tmp_path: Path, source_depth: str) -> None:
    """From a TIFF, which has place for everything, to every format."""
    data = stored(formats.TIFF, source_depth, grey=False, alpha=False)
    source = tmp_path / "in.tif"
    everything = carried(COLOUR_PROFILE, 1)
    if source_depth == "32f":  # whose numbers without a profile are light
        del everything[ICC]
    make(source, Kind(formats.TIFF, "16", data, everything))
    picture = read(source)
    assert_carried(source, picture.info, tuple(everything))
    for format_ in WRITABLE:
        target = tmp_path / f"out{format_.suffixes[0]}"
        notes = check_fits(picture, target)
        write(picture, target)
        again = read(target)
        kept = tuple(key for key in everything if key in format_.keeps)
        assert_carried(target, again.info, kept)
        for key, called in CALLED.items():
            said = f"{format_.name} cannot store the {called}" in notes
            assert said == (key in everything and key not in format_.keeps)
        holds = [DEPTHS[depth] for depth in format_.depths]
        written = picture.pixels.dtype if picture.pixels.dtype in holds else holds[-1]
        depth = depth_name(written)
        loses = (
            f"{source_depth} bits per channel become {depth}, the most that {format_.name} holds"
        )
        assert (loses in notes) == (written.itemsize < picture.pixels.dtype.itemsize)
        assert again.pixels.dtype == written
        assert_same_light(again, picture, format_)


def assert_same_light(again: Picture, before: Picture, format_: Format) -> None:
    """Encoded or not, at whatever depth: the same picture, as precise as the format is."""

    def encoded(picture: Picture) -> np.ndarray:
        values = np.clip(picture.pixels / float(FULL[picture.pixels.dtype]), 0, 1)
        if not picture.is_linear:
            return values
        return np.where(values <= 0.0031308, 12.92 * values, 1.055 * values ** (1 / 2.4) - 0.055)

    shallower = min((again.pixels.dtype, before.pixels.dtype), key=lambda dtype: dtype.itemsize)
    step = {1: 0.51 / 255, 2: 0.51 / 65535, 4: 1e-6}[shallower.itemsize]
    apart = np.abs(encoded(again) - encoded(before))
    if format_.lossy or format_ is formats.GIF:
        assert apart.mean() < 0.03
    else:
        assert apart.max() <= step + 1e-6


def test_a_profile_of_grey_does_not_get_onto_colours(tmp_path: Path) -> None:
    grey = Picture(smooth()[..., 0].copy(), None, {ICC: GREY_PROFILE})
    for format_ in (f for f in WRITABLE if ICC in f.keeps):
        target = tmp_path / f"out{format_.suffixes[0]}"
        said = any(
            "cannot store the colour profile of a grey" in n for n in check_fits(grey, target)
        )
        write(grey, target)
        again = read(target)
        assert said == (not format_.grey)
        assert (again.info.get(ICC) == GREY_PROFILE) == format_.grey
        assert (again.pixels.ndim == 2) == format_.grey
