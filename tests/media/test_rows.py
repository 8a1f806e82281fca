"""Pictures by rows: reading and writing agree with whole pictures."""

from __future__ import annotations

import struct
import subprocess
import sys
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import ICC, metadata, saved
from PIL import Image

from restore.checkpoints import store
from restore.errors import ImageError
from restore.heads import HEADS
from restore.media import image as media
from restore.media import large
from restore.media.formats.tiff.by_rows import TiffSink
from restore.media.picture import Picture
from restore.rows import HELD, Rows, Sink

HEIGHT, WIDTH = 150, 97
STORED: list[dict[str, Any]] = [
    {},
    {"byteorder": ">"},
    {"tile": (16, 16)},
    {"compression": "zlib", "predictor": True},
    {"compression": "zlib", "predictor": True, "byteorder": ">", "rowsperstrip": 7},
    {"compression": "lzw", "tile": (32, 48)},
    {"compression": "zstd", "rowsperstrip": 1},
    {"compression": "packbits", "rowsperstrip": 500},
    {"compression": "zlib", "bigtiff": True, "tile": (64, 128)},
]


def noise(channels: int, dtype: Any, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Alpha, where there is one, hides nothing."""
    random = np.random.default_rng(channels)
    data = random.integers(1, np.iinfo(dtype).max, (height, width, channels), dtype, True)
    return data[..., 0] if channels == 1 else data


def tiff(path: Path, data: np.ndarray, **options: Any) -> Path:
    channels = 1 if data.ndim == 2 else data.shape[2]
    kind: dict[str, Any] = {
        "photometric": "rgb" if channels > 2 else "minisblack",
        "planarconfig": "contig" if channels > 1 else None,
        "extrasamples": ["unassalpha"] if channels in (2, 4) else None,
        "metadata": None,
    }
    tifffile.imwrite(path, data, **kind | options)
    return path


def png(path: Path, data: np.ndarray) -> Path:
    path.write_bytes(imagecodecs.png_encode(data))
    return path


def by_rows(path: Path) -> Picture:
    picture = large.read(path, above=100)
    assert picture is not None
    assert isinstance(picture.pixels, Rows)
    return picture


def inverted(pixels: np.ndarray, into: Any) -> None:
    """In bands, and started again after the first two."""
    full = np.iinfo(pixels.dtype).max
    tops = range(0, len(pixels), 40)
    for top in (*tops[:2], *tops):
        rows = slice(top, min(top + 40, len(pixels)))
        into[rows] = full - pixels[rows]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_all_is_as_it_is_of_the_whole_picture(channels: int, dtype: Any, tmp_path: Path) -> None:
    data = noise(channels, dtype)
    files = [tiff(tmp_path / f"{i}.tif", data, **how) for i, how in enumerate(STORED)]
    for path in (*files, png(tmp_path / "in.png", data)):
        picture, whole = by_rows(path), media.read(path)
        assert (picture.info, picture.notes) == (whole.info, whole.notes)
        for target in (tmp_path / "out.png", tmp_path / "out.tif"):
            assert large.goes_by_rows(picture, target, 100)
            large.restore(picture, target, inverted)
            done = media.read(target)
            np.testing.assert_array_equal(done.pixels, np.iinfo(dtype).max - whole.pixels)
            np.testing.assert_array_equal(done.alpha, whole.alpha)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, len(STORED)),
    st.lists(st.tuples(*[st.integers(0, HEIGHT - 1)] * 2, st.integers(0, WIDTH - 1)), max_size=8),
)
def test_any_rows_and_columns_can_be_taken(
    tmp_path_factory: pytest.TempPathFactory, how: int, places: list[tuple[int, int, int]]
) -> None:
    folder, data = tmp_path_factory.getbasetemp(), noise(3, np.uint8)
    path = folder / f"rows-{how}.{'png' if how == len(STORED) else 'tif'}"
    if not path.exists():
        png(path, data) if how == len(STORED) else tiff(path, data, **STORED[how])
    rows = by_rows(path).pixels
    for one, other, left in places:
        band, columns = slice(min(one, other), max(one, other) + 1), slice(left, left + 30)
        np.testing.assert_array_equal(rows[band], data[band])
        np.testing.assert_array_equal(rows[band, columns], data[band, columns])
    np.testing.assert_array_equal(rows[:], data)


def test_what_a_file_carries_is_kept(tmp_path: Path) -> None:
    data = noise(3, np.uint8)
    more = {"icc_profile": ICC, "dpi": (300, 200), "exif": metadata().tobytes()}
    described = saved(tmp_path / "in.png", data, **more)
    behind, body = described.read_bytes(), b"tEXt" + b"Title\0A picture"
    said = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    described.write_bytes(behind[:-12] + said + behind[-12:])
    plain = saved(tmp_path / "in.tif", data, **more)
    for source in (described, plain):
        picture, whole = by_rows(source), media.read(source)
        assert (picture.info, picture.notes) == (whole.info, whole.notes)
        assert {"exif", "icc_profile", "dpi"} <= set(picture.info)
        assert (source is described) == ("png_chunks" in picture.info)
        for ending in (".png", ".tif"):
            target, usual = tmp_path / f"out{ending}", tmp_path / f"usual{ending}"
            large.restore(picture, target, inverted)
            media.write(whole, usual)
            assert media.read(target).info == media.read(usual).info
            with Image.open(target) as one, Image.open(usual) as other:
                assert dict(one.getexif().get_ifd(34665)) == dict(other.getexif().get_ifd(34665))
                assert one.getexif().get_ifd(34665)


def test_a_file_of_a_single_strip_and_of_a_single_row(tmp_path: Path) -> None:
    for height, width in ((1, 4000), (4000, 1), (3, 90)):
        whole = Picture(noise(3, np.uint16, height, width), None, {})
        for ending in (".png", ".tif"):
            large.restore(whole, tmp_path / f"out{ending}", inverted)
            done = media.read(tmp_path / f"out{ending}").pixels
            np.testing.assert_array_equal(done, 65535 - whole.pixels)


def test_places_beyond_four_gigabytes_fit(tmp_path: Path) -> None:
    pixels = np.broadcast_to(np.zeros((), np.uint16), (1 << 16, 1 << 14, 3))  # takes no memory
    with open(tmp_path / "out.tif", "w+b") as file:
        TiffSink(file, Picture(pixels, None, {}), tmp_path / "out.tif").begin()
    with tifffile.TiffFile(tmp_path / "out.tif") as written:
        assert written.is_bigtiff


OTHERS: dict[str, dict[str, Any]] = {
    "planes": {"planarconfig": "separate"},
    "inverse": {"photometric": "miniswhite", "planarconfig": None},
    "associated": {"extrasamples": ["assocalpha"]},
    "turned": {"extratags": [(274, "H", 1, 6, True)]},
    "upside down": {"extratags": [(274, "H", 1, 3, True)]},
    "inks": {"photometric": "separated"},
}


@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_converted_is_read_whole(kind: str, tmp_path: Path) -> None:
    channels = {"inverse": 1, "associated": 4, "inks": 4}.get(kind, 3)
    path = tmp_path / "in.tif"
    extra = {"extrasamples": None} if kind == "inks" else {}
    data = noise(channels, np.uint8)
    tiff(path, np.moveaxis(data, 2, 0) if kind == "planes" else data, **extra | OTHERS[kind])
    assert large.read(path, above=100) is None
    media.read(path)


def test_other_pngs_are_read_whole(tmp_path: Path) -> None:
    data = noise(3, np.uint8)
    turned = Image.Exif()
    turned[274] = 3
    picture = Image.fromarray(data)
    files = [
        saved(tmp_path / "turned.png", data, exif=turned),
        saved(tmp_path / "palette.png", picture.quantize(16)),
        saved(tmp_path / "bits.png", picture.convert("1")),
        saved(tmp_path / "clear.png", data, transparency=(1, 2, 3)),
        saved(tmp_path / "moving.png", picture, save_all=True, append_images=[picture.rotate(90)]),
    ]
    for path in files:
        assert large.read(path, above=100) is None, path
        media.read(path)


def test_small_pictures_and_too_large_ones_are_not_read_by_rows(tmp_path: Path) -> None:
    data = noise(3, np.uint8)
    for path in (png(tmp_path / "a.png", data), tiff(tmp_path / "a.tif", data)):
        assert large.read(path) is None
        assert large.read(path, above=HEIGHT * WIDTH) is None
        assert large.read(path, above=HEIGHT * WIDTH - 1) is not None
        assert large.read(path, above=100, max_pixels=HEIGHT * WIDTH - 1) is None
    assert large.read(tmp_path / "a.jpg") is None


def test_what_the_target_needs_decides(tmp_path: Path) -> None:
    picture = by_rows(png(tmp_path / "a.png", noise(4, np.uint8)))
    assert large.goes_by_rows(picture, Path("out.tif"), 100)
    assert not large.goes_by_rows(picture, Path("out.tif"))
    assert not large.goes_by_rows(picture, Path("out.webp"), 100)
    assert not large.goes_by_rows(picture, Path("-"), 100)
    for depth, able in (("8", True), ("16", False), ("32f", False)):
        asked = picture.with_info(bit_depth=depth)
        assert large.goes_by_rows(asked, Path("out.tif"), 100) == able
    assert not large.goes_by_rows(picture.with_info(linear=True), Path("out.png"), 100)
    clear = noise(4, np.uint8)
    clear[140, 50, 3] = 0
    hiding = by_rows(png(tmp_path / "b.png", clear))
    assert not large.goes_by_rows(hiding, Path("out.png"), 100)


class Stop(BaseException):
    """As Ctrl-C is."""


@pytest.mark.parametrize("ending", [".png", ".tif"])
@pytest.mark.parametrize("error", [Stop, ValueError, OSError])
def test_an_interrupted_file_leaves_nothing(
    ending: str, error: type[BaseException], tmp_path: Path
) -> None:
    picture = by_rows(png(tmp_path / "in.png", noise(3, np.uint8)))

    def half(pixels: np.ndarray, into: Sink) -> None:
        into[slice(0, 80)] = pixels[:80]
        raise error("in the middle")

    target = tmp_path / f"out{ending}"
    with pytest.raises(error, match="in the middle"):
        large.restore(picture, target, half)
    assert [path.name for path in tmp_path.iterdir()] == ["in.png"]
    target.write_bytes(b"as it was")
    with pytest.raises(BaseException, match="in the middle"):
        large.restore(picture, target, half)
    assert target.read_bytes() == b"as it was"


@pytest.mark.parametrize("tops", [(0,), (0, 80), (40,)])
def test_rows_that_are_left_out_are_an_error(tops: tuple[int, ...], tmp_path: Path) -> None:
    picture = Picture(noise(3, np.uint8), None, {})

    def some(pixels: np.ndarray, into: Sink) -> None:
        for top in tops:
            into[slice(top, top + 40)] = pixels[top : top + 40]

    with pytest.raises(ValueError, match="row"):
        large.restore(picture, tmp_path / "out.tif", some)
    assert not list(tmp_path.iterdir())


def test_damage_is_an_error_of_one_line(tmp_path: Path) -> None:
    data = noise(3, np.uint8)
    sources = [
        png(tmp_path / "a.png", data),
        tiff(tmp_path / "a.tif", data),
        tiff(tmp_path / "b.tif", data, compression="zlib", rowsperstrip=10),
    ]
    for path in sources:
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
        with pytest.raises(ImageError, match=f"^{path}: [^\n]+$"):
            large.restore(by_rows(path), tmp_path / "out.png", inverted)
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "a.tif", "b.tif"}


def test_a_file_that_changes_meanwhile_is_refused(tmp_path: Path) -> None:
    path = png(tmp_path / "a.png", noise(3, np.uint8))
    picture = by_rows(path)
    png(path, noise(3, np.uint8)[::-1])
    with pytest.raises(ImageError, match="has changed while it was read"):
        large.restore(picture, tmp_path / "out.png", inverted)


def test_colours_under_full_transparency_are_looked_for_once(tmp_path: Path) -> None:
    for name, clear in (("a.png", False), ("b.tif", True)):
        data = noise(4, np.uint8, height=600)
        data[590, 50, 3] = not clear
        path = (png if name.endswith("png") else tiff)(tmp_path / name, data)
        picture = by_rows(path)
        assert large.goes_by_rows(picture, Path("out.png"), 100) is not clear
        path.unlink()  # from which nothing can be read any more
        asked = picture.with_info(bit_depth="8")
        assert large.goes_by_rows(asked, Path("out.tif"), 100) is not clear


def negative(pixels: np.ndarray) -> np.ndarray:
    return np.iinfo(pixels.dtype).max - pixels


def test_a_picture_goes_by_rows_or_is_still_to_be_written(tmp_path: Path) -> None:
    target, data = tmp_path / "out.png", noise(3, np.uint8)
    picture = by_rows(png(tmp_path / "in.png", data))
    assert large.through(picture, target, negative, inverted, above=100) is None
    np.testing.assert_array_equal(media.read(target).pixels, 255 - data)
    target.unlink()
    whole = media.read(tmp_path / "in.png")
    for options in ({"by_rows": None, "above": 100}, {"by_rows": inverted}):
        made = large.through(whole, target, negative, **options)
        assert made is not None
        np.testing.assert_array_equal(made.pixels, 255 - data)
    made = large.through(whole, tmp_path / "out.webp", negative, inverted, above=100)
    assert made is not None
    assert [path.name for path in tmp_path.iterdir()] == ["in.png"]


def test_what_an_encoder_raises_is_one_line_as_of_the_whole_picture(tmp_path: Path) -> None:
    picture = Picture(noise(3, np.uint8), None, {"dpi": (-300.0, 300.0)})  # has no place
    for name in ("out.png", "out.tif"):
        said = []
        for write in (media.write, lambda picture, path: large.restore(picture, path, inverted)):
            with pytest.raises(ImageError) as caught:
                write(picture, tmp_path / name)
            said.append(str(caught.value))
        assert said[0] == said[1]
        assert said[0].startswith(f"{tmp_path / name}: cannot be written as ")
    assert not list(tmp_path.iterdir())


FULL_DISK = """
import resource, sys
from pathlib import Path
import numpy as np
from restore.errors import ImageError
from restore.media import large
from restore.media.picture import Picture

def same(pixels, into):
    for top in range(0, len(pixels), 100):
        into[slice(top, top + 100)] = pixels[top : top + 100]

for height in (100, 1000):
    noise = np.random.default_rng(0).integers(0, 256, (height, 200, 3), np.uint8)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, -1))
    for path in sys.argv[1:]:
        try:
            large.restore(Picture(noise, None, {}), Path(path), same)
        except ImageError as error:
            print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no limit on the size of files")
def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    paths = [tmp_path / "out.png", tmp_path / "out.tif"]
    command = [sys.executable, "-c", FULL_DISK, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        f"{p}: cannot be written: File too large" for p in paths * 2
    ]
    assert done.stderr == ""
    assert not list(tmp_path.iterdir())


def test_a_row_of_the_largest_tiles_counts_as_held() -> None:
    tiles = [store.find(task).card.tile for task in HEADS]
    sizes = [tile.size for tile in tiles if tile is not None]
    assert sizes
    assert max(sizes) <= HELD


SHARED = 64


@pytest.mark.parametrize("stored", ["png", "strips", "tiles", "as it is"])
def test_no_more_is_held_than_counts(stored: str, tmp_path: Path) -> None:
    height, width = 3 * HELD, 1200
    data = np.zeros((height, width, 3), np.uint16)
    options: dict[str, Any] = {
        "strips": {"compression": "zlib", "rowsperstrip": 100},
        "tiles": {"compression": "zlib", "tile": (256, 256)},
    }.get(stored, {})
    path = tmp_path / "in"
    path = png(path, data) if stored == "png" else tiff(path, data, **options)
    del data
    for high in (HELD, HELD + 400):
        pixels = by_rows(path).pixels
        tracemalloc.start()
        try:
            for top in (0, high - SHARED):  # a row of tiles, and the next
                asked = pixels[top : top + high, :200].nbytes
            taken = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        shared = SHARED * width * 6
        assert taken - asked - shared < pixels.nbytes < 2 * high * width * 6
