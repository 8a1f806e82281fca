"""The shipped judge: any array is judged, and pictures whose faults are known are judged right."""

from __future__ import annotations

import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageDraw

from restore.degrade.examples import degrade
from restore.degrade.graphics import graphics
from restore.degrade.plain import plain
from restore.errors import CheckpointError, ImageError
from restore.inspect import FAULTS, flagged, judge, judge_model, suggest
from restore.inspect.asked_heads import asked_heads
from restore.inspect.place_map import place_map
from restore.networks.judge.network import JudgeNetwork

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "samples"


def read(name: str) -> np.ndarray:
    with Image.open(SAMPLES / name) as file:
        return np.array(file.convert("RGB"))


def shapes() -> st.SearchStrategy[tuple[int, ...]]:
    sides = st.integers(1, 300)
    return st.one_of(st.tuples(sides, sides), st.tuples(sides, sides, st.just(3)))


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_size_and_type_is_judged(data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from([np.uint8, np.uint16, np.float32]))
    shape = data.draw(shapes())
    fill = {"elements": st.floats(0, 1, width=32)} if dtype is np.float32 else {}
    pixels = data.draw(arrays.arrays(dtype, shape, **fill))
    judgement = judge(pixels)
    assert tuple(judgement.probabilities) == tuple(judgement.severities) == FAULTS
    values = [*judgement.probabilities.values(), *judgement.severities.values()]
    values += [p for place in judgement.places for p in place.probabilities.values()]
    assert all(0 <= value <= 1 for value in [*values, judgement.quality])
    assert 1 <= len(judgement.places) <= 9
    for place in judgement.places:
        assert 0 <= place.row < shape[0]
        assert 0 <= place.column < shape[1]


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4), np.uint8),
        np.full((4, 4), np.nan),
        np.zeros((4, 4), np.int32),
        np.zeros(4, np.uint8),
    ],
    ids=["alpha", "empty", "nan", "signed", "line"],
)
def test_rejects_invalid_arrays(pixels: np.ndarray) -> None:
    with pytest.raises(ImageError):
        judge(pixels)


def test_types_and_grey_agree() -> None:
    pixels = read("cat-noisy.png")[..., 1]
    one = judge(pixels)
    assert one == judge(np.dstack([pixels] * 3)) == judge(pixels.astype(np.uint16) * 257)
    assert one == judge(pixels.astype(np.float64) / 255)


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("cat-noisy.png", "denoise"),
        ("cat-rainy.png", "derain"),
        pytest.param(
            "astronaut-blurred.png",
            "deblur",
            marks=pytest.mark.xfail(reason="missed: shake of a few pixels", strict=True),
        ),
        ("astronaut-hazy.png", "dehaze"),
        ("coffee-dark.png", "enhance"),
        ("cat-clean.png", None),
        ("astronaut-clean.png", None),
        ("coffee-clean.png", None),
    ],
)
def test_samples_get_the_right_head(name: str, head: str | None) -> None:
    judgement = judge(read(name))
    assert suggest(judgement) == head, judgement.probabilities


def test_strong_blur_is_found_and_one_thing_in_focus_is_enough() -> None:
    clean = read("cat-clean.png")
    blurred = cv2.GaussianBlur(clean, (0, 0), 5)
    assert suggest(judge(blurred)) == "deblur"
    partly = blurred.copy()
    partly[50:250, 100:350] = clean[50:250, 100:350]
    assert suggest(judge(partly)) is None


@pytest.mark.parametrize("sigma", [15, 25, 50])
def test_severity_of_noise_is_its_sigma(sigma: float) -> None:
    clean = read("cat-clean.png")
    judgement = judge(degrade("noise", clean, sigma / 55, seed=3))
    assert 55 * judgement.severities["noise"] == pytest.approx(sigma, rel=0.3)
    assert judgement.quality < judge(clean).quality


def test_blocks_of_jpeg_are_seen() -> None:
    file = io.BytesIO()
    Image.fromarray(read("cat-clean.png")).save(file, "JPEG", quality=10)
    with Image.open(file) as decoded:
        assert "blocks" in flagged(judge(np.asarray(decoded)))


def test_drawings_and_plain_pictures_are_healthy() -> None:
    generator = torch.Generator().manual_seed(11)
    drawn = torch.cat((graphics(24, 256, 320, generator), plain(8, 256, 320, generator)))
    pictures = (drawn * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    heads = [suggest(judge(picture)) for picture in pictures]
    assert heads.count(None) >= 31, heads


def test_a_page_of_text_is_healthy() -> None:
    page = Image.new("RGB", (800, 1000), "white")
    draw = ImageDraw.Draw(page)
    for line in range(40):
        draw.text(
            (60, 40 + 23 * line), f"Line {line} of a page with words and 1,234 figures.", "black"
        )
    assert suggest(judge(np.asarray(page))) is None


def test_place_map_marks_the_places() -> None:
    pixels = read("cat-noisy.png")
    marked = place_map(pixels, judge(pixels))
    assert marked.shape == pixels.shape
    changed = (marked != pixels).any(axis=2)
    assert 0.02 < changed.mean() < 0.3
    assert place_map(np.zeros((1, 1), np.uint8), judge(np.zeros((1, 1), np.uint8))).shape == (
        1,
        1,
        3,
    )


def test_the_card_tells_how_reliable_it_is() -> None:
    path = judge_model.path_of_weights()
    values = json.loads(path.with_suffix(".json").read_text())
    card, network = judge_model.card(), judge_model.network()
    assert values["parameters"] == sum(p.numel() for p in network.parameters()) <= 1.5e6
    assert path.stat().st_size < 8e6
    assert all(0.5 <= limit < 1 for limit in card.thresholds.values())
    rows = values["reliability"]
    cases = sum(row["cases"] for row in rows)
    apart = sum(row["cases"] * abs(row["said"] - row["true"]) for row in rows) / cases
    assert apart < 0.03
    assert all(one["licence"] for one in values["training_data"])


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = judge_model.path_of_weights()
    copy = tmp_path / path.name
    copy.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(CheckpointError, match="damaged"):
        judge_model.load(copy, judge_model.card())
    with pytest.raises(CheckpointError, match="not installed"):
        judge_model.load(tmp_path / "no.safetensors", judge_model.card())
    (tmp_path / "card.json").write_text("{}")
    with pytest.raises(CheckpointError, match="not the card"):
        judge_model.JudgeCard.read(tmp_path / "card.json")


def test_places_are_judged_alone_and_the_picture_by_all() -> None:
    network = judge_model.network()
    assert isinstance(network, JudgeNetwork)
    torch.manual_seed(0)
    places, scene = torch.rand(1, 3, 3, 128, 128), torch.rand(1, 3, 128, 128)
    heads = asked_heads(network.config, judge_model.card().models)
    with torch.no_grad():
        all_, one = network(places, scene, heads), network(places[:, :1], scene, heads)
    torch.testing.assert_close(all_.places[:, :1], one.places, atol=1e-4, rtol=1e-4)
    assert (all_.faults - one.faults).abs().max() > 1e-4
