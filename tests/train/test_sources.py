from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_run import clean_pictures, picture

from restore.errors import TrainingError, UsageError
from restore.train.sources import CLEAN, DEPTH, DISTILL, PAIRS, Pictures, Source, read


def clean(path: Path) -> list[np.ndarray]:
    return [pixels for (pixels,) in read(Source(CLEAN, path)).items]


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def test_pictures_are_read_in_order_of_name_and_the_rest_is_left(tmp_path: Path) -> None:
    for name, seed in (("b.png", 1), ("a.bmp", 2), ("C.PNG", 3), ("d/e.png", 4)):
        save(tmp_path / name, picture(9, 7, seed))
    (tmp_path / "notes.txt").write_text("not a picture")
    expected = [picture(9, 7, seed) for seed in (3, 2, 1)]
    np.testing.assert_array_equal(clean(tmp_path), expected)


COLOUR = picture(16, 16)
GREY = COLOUR[..., 0]
ALPHA = np.full_like(GREY, 100)


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (GREY, np.dstack([GREY] * 3)),
        (np.dstack([GREY, ALPHA]), np.dstack([GREY] * 3)),
        (np.dstack([COLOUR, ALPHA]), COLOUR),
    ],
    ids=["grey", "grey with alpha", "colour with alpha"],
)
def test_every_picture_has_three_channels(
    tmp_path: Path, stored: np.ndarray, expected: np.ndarray
) -> None:
    save(tmp_path / "a.png", stored)
    (pixels,) = clean(tmp_path)
    np.testing.assert_array_equal(pixels, expected)


def test_pairs_go_by_name_whatever_their_format(tmp_path: Path) -> None:
    for name, seed in (("input/a.png", 1), ("input/b.bmp", 2), ("target/b.png", 3)):
        save(tmp_path / name, picture(9, 7, seed))
    save(tmp_path / "target/a.bmp", picture(9, 7, 4))
    expected = [[picture(9, 7, seed) for seed in seeds] for seeds in ((1, 4), (2, 3))]
    np.testing.assert_array_equal(read(Source(PAIRS, tmp_path)).items, expected)


def empty(folder: Path) -> None:
    folder.mkdir()


def a_file(folder: Path) -> None:
    folder.touch()


def damaged(folder: Path) -> None:
    save(folder / "a.png", COLOUR)
    (folder / "b.png").write_text("not a picture")


def a_folder_called_png(folder: Path) -> None:
    (folder / "b.png").mkdir(parents=True)


Make = Callable[[Path], object]


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda folder: None, "bad: no such folder"),
        (a_file, "bad: no such folder"),
        (empty, "bad: holds no pictures"),
        (damaged, "b.png: not a picture"),
        (a_folder_called_png, "b.png: is a folder"),
    ],
)
def test_clean_pictures_that_cannot_be_used_are_named(
    tmp_path: Path, make: Make, told: str
) -> None:
    make(tmp_path / "bad")
    with pytest.raises(TrainingError, match=told):
        read(Source(CLEAN, tmp_path / "bad"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda folder: (folder / "input/b.png").unlink(), "input: has no picture called b"),
        (lambda folder: (folder / "target/a.png").unlink(), "target: has no picture called a"),
        (
            lambda folder: save(folder / "input/a.png", picture(8, 9)),
            "input/a.png and .*target/a.png differ",
        ),
        (lambda folder: save(folder / "input/a.bmp", COLOUR), "a.bmp and a.png have one name"),
        (lambda folder: (folder / "target").rename(folder / "gt"), "target: no such folder"),
        (lambda folder: (folder / "target/b.png").write_text("?"), "target/b.png: not a picture"),
    ],
)
def test_pairs_that_cannot_be_used_are_named(tmp_path: Path, change: Make, told: str) -> None:
    for name in ("input/a.png", "input/b.png", "target/a.png", "target/b.png"):
        save(tmp_path / name, COLOUR)
    change(tmp_path)
    with pytest.raises(TrainingError, match=told):
        read(Source(PAIRS, tmp_path))


def test_deep_pictures_are_rounded_to_8_bits(tmp_path: Path) -> None:
    deep = np.array([[0, 128, 129, 65535]], np.uint16).repeat(9, axis=0)
    save(tmp_path / "clean" / "a.png", deep)
    ((pixels,),) = read(Source(CLEAN, tmp_path / "clean")).items
    assert pixels.dtype == np.uint8
    assert pixels[0, :, 0].tolist() == [0, 0, 1, 255]


# Pairs by a table, and depth


def table(path: Path, *rows: tuple[object, ...]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows(rows)


def test_pairs_may_be_named_in_a_table(tmp_path: Path) -> None:
    for i in range(3):
        save(tmp_path / f"{i}.png", picture(9, 7, i))
    table(
        tmp_path / "pairs.csv",
        ("low", "good", "scene"),
        ("1.png", "0.png", 7),
        ("2.png", "0.png", 7),
    )
    expected = [[picture(9, 7, seed) for seed in seeds] for seeds in ((1, 0), (2, 0))]
    np.testing.assert_array_equal(read(Source(PAIRS, tmp_path)).items, expected)


HEADER = ("image", "depth", "depth_at_65535", "source")


def depths(folder: Path, *rows: tuple[object, ...], deepest: int = 65535) -> None:
    save(folder / "a.png", picture(9, 7))
    ramp = np.linspace(0, deepest, 63).round().astype(np.uint16).reshape(9, 7)
    save(folder / "d.png", ramp)
    table(folder / "depth.csv", HEADER, *rows)


@pytest.mark.parametrize(
    ("farthest", "source", "metric"),
    [
        (8.0, "indoor, metres", True),
        (8.0, "indoor, relative depth", False),
        (300.0, "outdoor, metres", False),
    ],
)
def test_depth_is_read_in_full_and_known_for_what_it_is(
    tmp_path: Path, farthest: float, source: str, metric: bool
) -> None:
    depths(tmp_path, ("a.png", "d.png", farthest, source))
    ((clean, depth, is_metric),) = read(Source(DEPTH, tmp_path)).items
    np.testing.assert_array_equal(clean, picture(9, 7))
    expected = np.linspace(0, farthest, 63).reshape(9, 7)
    np.testing.assert_allclose(depth, expected, atol=farthest / 65535)
    assert (depth.dtype, bool(is_metric)) == (np.float32, metric)


@pytest.mark.parametrize(
    ("kind", "rows", "told"),
    [
        (DEPTH, [HEADER], "depth.csv: needs a header and rows"),
        (DEPTH, [HEADER, ("a.png", "d.png")], "depth.csv: needs a header and rows"),
        (DEPTH, [HEADER, ("a.png", "d.png", "far", "")], "depth.csv: cannot be used: .*far"),
        (DEPTH, [("a", "b", "c"), ("a.png", "d.png", 1)], "depth.csv: cannot be used: 'image'"),
        (DEPTH, [HEADER, ("a.png", "a.png", 1, "")], "a.png: depth must be .* 16 bits"),
        (DEPTH, [HEADER, ("a.png", "no.png", 1, "")], "no.png: cannot be read: No such file"),
        (DEPTH, [HEADER, ("a.png", "text.png", 1, "")], "text.png: not a picture"),
        (DEPTH, [HEADER, ("b.png", "d.png", 1, "")], "b.png and .*d.png differ in size"),
        (PAIRS, [("low", "good"), ("a.png", "b.png")], "a.png and .*b.png differ in size"),
        (PAIRS, [("low",), ("a.png",)], "pairs.csv: needs at least 2 columns"),
        (PAIRS, [("low", "good"), ("a.png", "no.png")], "no.png: no such file"),
    ],
)
def test_a_table_that_cannot_be_used_is_named(
    tmp_path: Path, kind: str, rows: list[tuple[object, ...]], told: str
) -> None:
    depths(tmp_path)
    save(tmp_path / "b.png", picture(5, 7))
    (tmp_path / "text.png").write_text("not a picture")
    table(tmp_path / f"{kind}.csv", *rows)
    with pytest.raises(TrainingError, match=told):
        read(Source(kind, tmp_path))


# Weights and what is held out


@pytest.mark.parametrize(
    ("text", "folder", "weight"),
    [
        ("photos", "photos", 1),
        ("photos=0.25", "photos", 0.25),
        ("a=b=2", "a=b", 2),
        ("x/=3", "x", 3),
    ],
)
def test_a_source_is_a_folder_and_a_weight(text: str, folder: str, weight: float) -> None:
    assert Source.parse(CLEAN, text) == Source(CLEAN, Path(folder), weight)


def test_a_folder_with_an_equals_sign_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a=2").mkdir()
    assert Source.parse(CLEAN, str(tmp_path / "a=2")) == Source(CLEAN, tmp_path / "a=2", 1)


@pytest.mark.parametrize(
    "text", ["photos=", "photos=many", "photos=0", "photos=-1", "photos=nan", "photos=inf"]
)
def test_a_weight_must_be_a_number_above_0(text: str) -> None:
    with pytest.raises(UsageError, match=r"photos=.*weight"):
        Source.parse(CLEAN, text)


@pytest.mark.parametrize(
    ("pictures", "fraction", "held"),
    [
        (32, 1 / 16, [8, 24]),
        (224, 1 / 16, list(range(8, 224, 16))),
        (10, 0.3, [1, 5, 8]),
        (5, 1 / 16, [2]),
        (1, 1.0, []),
        (3, 1.0, [0, 2]),
        (7, 0.0, []),
    ],
)
def test_what_is_held_out_is_spread_and_never_trained_on(
    pictures: int, fraction: float, held: list[int]
) -> None:
    everything = clean_pictures(*(np.full((1, 1, 3), i, np.uint8) for i in range(pictures)))
    kept, out = (
        [int(pixels[0, 0, 0]) for (pixels,) in part.items] for part in everything.split(fraction)
    )
    assert out == held
    assert sorted(kept + out) == list(range(pictures))


def test_all_versions_of_a_picture_are_held_out_together() -> None:
    items = tuple((np.full((1, 1, 3), i // 3, np.uint8),) * 2 for i in range(12))
    everything = Pictures(Source(DISTILL, Path("clean")), items, draws=3)
    kept, held = (
        [int(item[0][0, 0, 0]) for item in part.items] for part in everything.split(1 / 4)
    )
    assert (kept, held) == ([0, 0, 0, 1, 1, 1, 3, 3, 3], [2, 2, 2])
