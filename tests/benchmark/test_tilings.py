"""Ways of cutting are measured on real models, the command on real processes."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from command import one_error_line, restore
from models import MULTIPLE, save_model
from PIL import Image

from restore import Restorer
from restore.benchmark import tilings
from restore.benchmark.tilings import Way
from restore.checkpoints.card import TilePolicy
from restore.errors import UsageError
from restore.evaluate.metrics import psnr
from restore.evaluate.report import Case, gaussian_cases

CUT = Way(str(2 * MULTIPLE), 16)


def picture(seed: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def cases(*sizes: tuple[int, int]) -> list[Case]:
    return [
        Case(str(i), picture(i, *size), picture(i + 100, *size)) for i, size in enumerate(sizes)
    ]


def quiet(done: int, total: int | None) -> None:
    pass


def test_what_has_an_overlap_goes_with_every_one() -> None:
    found = tilings.ways(["off", "64", "auto", "window", "exact", "64"], [8, 16])
    assert found == [
        Way("off"),
        *(Way(tile, overlap) for tile in ("64", "auto", "window") for overlap in (8, 16)),
        Way("exact"),
    ]
    assert tilings.ways(["64", "off"]) == [Way("64"), Way("off")]
    assert (Way("64").options, Way("64", 0).options) == (
        {"tile": "64"},
        {"tile": "64", "overlap": 0},
    )


def test_every_way_is_measured_against_the_truth_and_against_the_whole(tmp_path: Path) -> None:
    model = save_model(tmp_path)
    shown = cases((96, 150), (130, 70), (64, 64))
    counts: list[int] = []
    ways = [Way("off"), CUT]
    options = {"device": "cpu", "precision": "float32"}
    off, cut = tilings.qualities(
        model, ways, iter(shown), lambda done, total: counts.append(done), **options
    )
    assert counts == [1, 2, 3]
    assert (off.pictures, off.cut, off.difference, off.seam, off.step) == (3, 0, 0.0, None, None)
    assert (cut.pictures, cut.cut) == (3, 2)  # the last fits in a tile
    for way, found in zip(ways, (off, cut), strict=True):
        restorer = Restorer("denoise", model, **way.options, **options)
        expected = [psnr(restorer(case.degraded), case.target) for case in shown]
        assert found.psnr == pytest.approx(np.mean(expected), abs=1e-5)  # the last digits round
    assert cut.difference > 0
    assert 0 < (cut.seam or 0) < math.inf
    assert 0 < (cut.step or 0) < math.inf


def test_the_identity_has_no_seams(tmp_path: Path) -> None:
    model = save_model(tmp_path, identity=True)
    (found,) = tilings.qualities(model, [CUT], cases((96, 150)), quiet, precision="float32")
    assert found.difference == pytest.approx(0, abs=1e-4)
    assert found.cut == 1


def test_borders_are_where_the_tiles_end(tmp_path: Path) -> None:
    """Tiles of 64 at 0, 43 and 86 across, and at 0 and 32 down."""
    restorer = Restorer("denoise", save_model(tmp_path), **CUT.options)
    rows, columns = restorer.borders(picture(0, 96, 150))
    assert list(columns) == [43, 53, 64, 86, 96, 107]
    assert list(rows) == [32, 48, 64]


@pytest.mark.parametrize("way", [CUT, Way("off")])
@pytest.mark.parametrize("size", [(64, 64), (65, 200), (300, 33)])
def test_the_plan_is_what_the_restorer_follows(
    tmp_path: Path, size: tuple[int, int], way: Way
) -> None:
    restorer = Restorer("denoise", save_model(tmp_path), **way.options)
    totals: list[int] = []
    image = picture(0, *size)
    restorer(image, lambda done, total: totals.append(total))
    plan = restorer._memory.plan(restorer._options, [image], [image])
    axes = plan.rows, plan.columns
    assert set(totals) == {len(axes[0].starts) * len(axes[1].starts)}


def test_what_is_whole_has_no_borders(tmp_path: Path) -> None:
    tile = TilePolicy(size=64, overlap=16, whole_up_to=64 * 64, reduce_to=32)
    model = save_model(tmp_path, tile=tile)
    for way in (Way("off"), Way("exact"), Way("auto")):  # which reduces
        assert not any(Restorer("denoise", model, **way.options).borders(picture(0, 96, 150)))


def test_windows_are_centred_on_the_picture(tmp_path: Path) -> None:
    """Two windows of 80 rows: 5 more a side, after one that makes them even."""
    restorer = Restorer("denoise", save_model(tmp_path, training_patch=64), tile="window")
    rows, columns = restorer.borders(picture(0, 149, 96))
    assert list(rows) == [80 - 5]
    assert not columns
    assert not any(restorer.borders(picture(0, 60, 64)))


def test_a_picture_that_is_not_cut_leaves_the_seams_of_the_others_alone(tmp_path: Path) -> None:
    model = save_model(tmp_path)
    with_whole, alone = (
        tilings.qualities(model, [CUT], cases(*sizes), quiet, precision="float32")[0]
        for sizes in ([(96, 150), (64, 64)], [(96, 150)])
    )
    assert (with_whole.seam, with_whole.step) == (alone.seam, alone.step)
    assert with_whole.difference < alone.difference


def test_an_unknown_way_is_refused_before_anything_is_computed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="tile is 'large'"):
        tilings.qualities(save_model(tmp_path), [Way("large")], iter(()), quiet)


def test_grey_pictures_are_measured_as_well(tmp_path: Path) -> None:
    Image.fromarray(picture(0, 80, 96)[..., 0]).save(tmp_path / "a.png")
    model = save_model(tmp_path)
    (found,) = tilings.qualities(model, [CUT], gaussian_cases(tmp_path, 5), quiet)
    assert found.cut == 1
    assert found.psnr > 5


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    for i, side in enumerate(("input", "target")):
        (tmp_path / side).mkdir()
        Image.fromarray(picture(i, 80, 130)).save(tmp_path / side / "a.png")
    return tmp_path


@pytest.mark.slow
def test_the_command(pairs: Path) -> None:
    model = save_model(pairs)
    words = ("bench", "tiling", model, "--device", "cpu", "--precision", "float32")
    timed = ("--size", "96x64", "--rounds", "1")
    ways = ("--tile", "off", "--tile", CUT.tile, "--overlap", CUT.overlap)
    outcome = restore(*words, *timed, *ways, "--pairs", pairs, "--json")
    assert outcome.code == 0, outcome.stderr
    off, cut = json.loads(outcome.stdout)["rows"]
    assert [(row["tile"], row["overlap"], row["cut"]) for row in (off, cut)] == [
        ("off", None, 0),
        (CUT.tile, CUT.overlap, 1),
    ]
    assert (off["seam"], off["model"], off["width"]) == (None, "tiny", 96)
    for row in (off, cut):
        assert row["seconds_a_megapixel"] > 0
        assert row["memory"] > 2**26
    noisy = restore(*words, *timed, "--tile", CUT.tile, "--clean", pairs / "target", "--sigma", 25)
    assert noisy.code == 0, noisy.stderr
    header, line, *notes = (line.split() for line in noisy.stdout.splitlines())
    assert header[:2] == ["tile", "overlap"]
    assert line[:2] == [CUT.tile, "-"]
    assert "default_rng(i)" in noisy.stdout
    assert ["tiny,", "cpu", "float32"] in notes


def test_what_cannot_be_compared_is_one_line(pairs: Path) -> None:
    words = ("bench", "tiling", save_model(pairs))
    for options in ((), ("--clean", pairs), ("--sigma", 5, "--pairs", pairs)):
        outcome = restore(*words, *options)
        assert outcome.code == 2
        assert "give --pairs, or --clean with --sigma" in outcome.stderr
    unknown = restore(*words, "--pairs", pairs, "--tile", "large")
    assert "tile is 'large'" in one_error_line(unknown, code=2)
    assert "nope" in one_error_line(restore("bench", "tiling", "nope", "--pairs", pairs))
    absent = restore(*words, "--pairs", pairs / "absent")
    assert "no such folder" in one_error_line(absent)
