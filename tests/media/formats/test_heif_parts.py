"""AVIF and HEIC keep depth, subsampling, size, and the auxiliary images of phones."""

from __future__ import annotations

import contextlib
import io
from dataclasses import replace
from pathlib import Path

import heic_files
import imagecodecs
import numpy as np
import pillow_heif
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import ICC, copied, coverage, metadata, smooth

from restore.media.formats import heif_items
from restore.media.formats.matched_quality import matched_quality
from restore.media.image import check_fits, encoded, read, write
from restore.media.picture import Picture

LARGE = smooth(96, 160)
DEEP = (smooth().astype(np.uint16) * 257) ^ 0x35


def auxiliary(path: Path) -> dict[str, np.ndarray]:
    """Auxiliary images as libheif finds them, upright."""
    file = pillow_heif.open_heif(path)
    found = {
        kind: np.asarray(file.get_aux_image(number))
        for kind, numbers in file.info["aux"].items()
        for number in numbers
    }
    (depth,) = file.info["depth_images"]
    return found | {"depth": np.asarray(depth)}


@pytest.mark.parametrize("toned", [False, True])
@pytest.mark.parametrize("angle", [0, 3])
def test_auxiliary_images_of_a_heic_are_kept(tmp_path: Path, angle: int, toned: bool) -> None:
    exif = metadata().tobytes()
    content = heic_files.phone(LARGE, angle, toned, exif=exif, icc_profile=ICC)
    (tmp_path / "in.heic").write_bytes(content)
    picture = read(tmp_path / "in.heic")
    assert check_fits(picture, tmp_path / "out.heic") == ()
    assert picture.notes == ()
    write(picture, tmp_path / "out.heic")
    old, new = (pillow_heif.open_heif(tmp_path / name) for name in ("in.heic", "out.heic"))
    assert old.size == new.size == (LARGE.shape[1::-1] if angle == 0 else LARGE.shape[:2])
    assert np.abs(np.asarray(old).astype(int) - np.asarray(new)).mean() < 3
    assert new.info["icc_profile"] == ICC
    assert b"Firmware" in new.info["exif"]
    before, after = auxiliary(tmp_path / "in.heic"), auxiliary(tmp_path / "out.heic")
    assert len(before) == 2
    for kind, pixels in before.items():
        np.testing.assert_array_equal(after[kind], pixels)
    items = heif_items.read((tmp_path / "out.heic").read_bytes())
    said = [item.data for item in items.items.values() if item.kind == b"mime"]
    assert said == [heic_files.ABOUT_THE_MAP]
    kinds = [item.kind for item in items.items.values()]
    assert kinds.count(b"tmap") == toned
    if toned:
        tone = next(n for n, item in items.items.items() if item.kind == b"tmap")
        assert items.referred(b"dimg", tone)[0] == items.primary
        assert items.groups == ((b"altr", (tone, items.primary)),)
        assert items.brands.endswith(b"tmap")


@pytest.mark.parametrize("suffix", ["jpg", "png", "avif"])
def test_auxiliary_images_that_are_lost_are_named(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "in.heic").write_bytes(heic_files.phone(LARGE, 1))
    notes = check_fits(read(tmp_path / "in.heic"), f"o.{suffix}")
    name = {"jpg": "JPEG", "png": "PNG", "avif": "AVIF"}[suffix]
    assert notes == (
        f"{name} cannot store the gain map of HDR",
        f"{name} cannot store the depth map",
    )


def test_further_pictures_of_a_heic_are_named(tmp_path: Path) -> None:
    file = heif_items.read(heic_files.heic(LARGE))
    file = file.adding(replace(file.image, hidden=False))
    (tmp_path / "in.heic").write_bytes(heif_items.write(file))
    assert read(tmp_path / "in.heic").notes == ("holds 2 pictures; only the first is read",)


@given(st.integers(0, 700), st.binary(min_size=1, max_size=8))
def test_damaged_boxes_are_value_errors(at: int, bytes_: bytes) -> None:
    whole = _PHONE
    damaged = whole[:at] + bytes_ + whole[at + len(bytes_) :]
    with contextlib.suppress(ValueError):
        heif_items.write(heif_items.read(damaged))


_PHONE = heic_files.phone(smooth(32, 48), toned=True)


@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("suffix", ["avif", "heic"])
def test_deep_files_keep_their_bits(tmp_path: Path, suffix: str, bits: int) -> None:
    path = tmp_path / f"in.{suffix}"
    if suffix == "avif":
        few = (DEEP >> (16 - bits)).astype(np.uint16)
        path.write_bytes(imagecodecs.avif_encode(few, 95, bitspersample=bits, pixelformat="444"))
    else:
        path.write_bytes(heic_files.heic(DEEP, bit_depth=bits, quality=95, chroma=444))
    picture = read(path)
    assert check_fits(picture, path) == ()
    out = copied(path, tmp_path / f"out.{suffix}")
    if suffix == "avif":
        decoded = imagecodecs.avif_decode(out.read_bytes())
        assert decoded.max() > (1 << (bits - 1))
        assert heif_items.read(out.read_bytes()).image.property_of(b"pixi")[5] == bits  # type: ignore[index]
    else:
        assert pillow_heif.open_heif(out, convert_hdr_to_8bit=False).info["bit_depth"] == bits
    assert np.abs(read(out).pixels.astype(int) - picture.pixels).mean() < 600
    other = {"avif": "heic", "heic": "avif"}[suffix]
    assert read(copied(path, tmp_path / f"other.{other}")).info["bits"] == bits


def test_16_bits_become_12_with_a_note() -> None:
    for suffix, name in (("avif", "AVIF"), ("heic", "HEIF")):
        notes = check_fits(Picture(DEEP, None, {}), f"o.{suffix}")
        assert notes == (f"16 bits per channel become 12, the most that {name} holds",)


@pytest.mark.parametrize("chroma", ["420", "422", "444"])
@pytest.mark.parametrize("suffix", ["avif", "heic"])
def test_files_keep_subsampling_and_are_no_larger(tmp_path: Path, suffix: str, chroma: str) -> None:
    noise = np.random.default_rng(0).normal(0, 12, LARGE.shape)
    pixels = np.clip(LARGE + noise, 0, 255).astype(np.uint8)
    path = tmp_path / f"in.{suffix}"
    if suffix == "avif":
        path.write_bytes(imagecodecs.avif_encode(pixels, 50, pixelformat=chroma))
    else:
        path.write_bytes(heic_files.heic(pixels, quality=40, chroma=int(chroma)))
    out = copied(path, tmp_path / f"out.{suffix}")
    before, after = (heif_items.read(p.read_bytes()).image for p in (path, out))
    assert 0.5 < len(after.data) / len(before.data) < 1.5
    if suffix == "avif":
        flags = [image.property_of(b"av1C")[2] & 0x0C for image in (before, after)]  # type: ignore[index]
    else:
        flags = [image.property_of(b"hvcC")[16] & 3 for image in (before, after)]  # type: ignore[index]
    assert flags[0] == flags[1]


@pytest.mark.parametrize("suffix", ["avif", "heic"])
def test_alpha_is_exact_beside_lossy_colours(tmp_path: Path, suffix: str) -> None:
    for pixels, alpha in ((smooth(), coverage()), (DEEP, coverage().astype(np.uint16) * 257)):
        picture = Picture(pixels, alpha, {"quality": 40})
        again = read("o", io.BytesIO(encoded(picture, f"o.{suffix}")))
        assert again.alpha is not None
        assert np.abs(again.alpha.astype(int) - alpha).max() <= (
            0 if alpha.dtype == np.uint8 else 8
        )


@given(st.floats(0.01, 3), st.integers(20, 100))
def test_the_matched_quality_is_the_highest_that_fits(rate: float, knee: int) -> None:
    pixels = np.zeros((700, 900, 3), np.uint8)
    sizes = []

    def size_of(sample: np.ndarray, quality: int) -> int:
        sizes.append(sample.shape)
        return int(sample.shape[0] * sample.shape[1] * rate * (2 if quality > knee else 0.9))

    assert matched_quality(pixels, rate, size_of) == knee
    assert len(sizes) <= 7
    assert set(sizes) == {(640, 640, 3)}
