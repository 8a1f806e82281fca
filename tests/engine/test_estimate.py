"""A run that will take long says so, from the time of a small piece."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from models import MULTIPLE, save_model

from restore import Restorer
from restore.checkpoints import store
from restore.checkpoints.card import TilePolicy
from restore.engine import estimate as estimates
from restore.engine.budget import NotEnoughMemoryError
from restore.engine.estimate import LONG, Estimate, estimate, network_pixels

PIECE = 128 * 128
LARGE = [(1024, 1024)]


@pytest.fixture
def restorer(tmp_path: Path) -> Restorer:
    return Restorer("denoise", save_model(tmp_path), device="cpu")


@pytest.fixture
def pass_takes(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Have forward passes of a piece take these seconds, one after the other; returns their
    sizes."""

    def setting(*seconds: float) -> list[tuple[int, int]]:
        left, sizes = list(seconds), []

        def measured(restorer: Restorer, piece: tuple[int, int]) -> float:
            sizes.append(piece)
            return left.pop(0)

        monkeypatch.setattr(estimates, "_seconds", measured)
        return sizes

    return setting


def test_a_piece_is_timed_and_multiplied(restorer: Restorer, pass_takes: Any) -> None:
    sizes = pass_takes(3.0, 2.0)
    found = estimate(restorer, LARGE)
    assert found is not None
    assert found.seconds == 2.0 * 1024 * 1024 / PIECE
    assert sizes == [(128, 128)] * 2


def test_a_run_of_less_than_a_minute_is_not_estimated(restorer: Restorer, pass_takes: Any) -> None:
    passes = LONG / (1024 * 1024 / PIECE)
    sizes = pass_takes(0.99 * passes)
    assert estimate(restorer, LARGE) is None
    assert len(sizes) == 1  # a fast model is looked at once
    pass_takes(2 * passes, 0.99 * passes)
    assert estimate(restorer, LARGE) is None
    pass_takes(2 * passes, 1.01 * passes)
    assert estimate(restorer, LARGE) is not None


def test_small_runs_are_not_slowed_by_looking(restorer: Restorer, pass_takes: Any) -> None:
    sizes = pass_takes()
    assert estimate(restorer, [(900, 900)]) is None
    assert estimate(restorer, []) is None
    assert sizes == []


def test_frames_files_views_and_workers_count(tmp_path: Path, pass_takes: Any) -> None:
    path = save_model(tmp_path)

    def seconds(sizes: Sequence[tuple[int, int]], many: dict[str, Any], **options: Any) -> float:
        pass_takes(2.0, 2.0)
        found = estimate(Restorer("denoise", path, device="cpu", **options), sizes, **many)
        assert found is not None
        return found.seconds

    once = seconds(LARGE, {})
    assert seconds(LARGE, {"times": 7}) == 7 * once
    assert seconds(LARGE * 3, {"workers": 2}) == 1.5 * once
    assert seconds(LARGE, {}, ensemble=True) == 8 * once
    assert seconds(LARGE * 16, {}, reduce=256) == once


def test_doing_nothing_takes_no_time(tmp_path: Path, pass_takes: Any) -> None:
    pass_takes()
    restorer = Restorer("denoise", save_model(tmp_path), device="cpu", strength=0)
    assert estimate(restorer, LARGE * 99) is None


def test_a_piece_for_which_there_is_no_memory_tells_nothing(
    restorer: Restorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*call: object) -> np.ndarray:
        raise NotEnoughMemoryError("not enough memory")

    monkeypatch.setattr(restorer, "backend", full)
    monkeypatch.setattr(restorer, "compute", restorer.compute)
    assert estimate(restorer, LARGE) is None


def test_the_network_itself_is_timed(restorer: Restorer) -> None:
    seconds = estimates._seconds(restorer, (MULTIPLE, 2 * MULTIPLE))
    assert 0 < seconds < LONG


@given(
    st.integers(1, 900),
    st.integers(1, 900),
    st.sampled_from([64, 96, 200]),
    st.sampled_from([0, 16]),
    st.sampled_from([0, 64]),
    st.sampled_from([0, 100]),
)
def test_no_fewer_pixels_are_counted_than_are_seen(
    height: int, width: int, size: int, overlap: int, window: int, reduce_to: int
) -> None:
    policy = TilePolicy(size, overlap, 128 * 128, reduce_to, window)
    pixels = network_pixels((height, width), policy, (32, 32))
    shorter = min(height, width)
    share = min(1.0, reduce_to / shorter) if reduce_to else 1.0
    assert pixels >= round(height * share) * round(width * share)
    assert pixels % (32 * 32) == 0
    whole = replace(policy, whole_up_to=2**40, window=0)
    assert network_pixels((height, width), whole, (32, 32)) <= pixels


def test_pixels_are_those_that_the_network_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    restorer = Restorer("denoise", save_model(tmp_path), device="cpu", tile=64, overlap=16)
    seen: list[int] = []
    forward = Restorer._forward

    def spy(self: Restorer, tiles: np.ndarray, *way: Any) -> np.ndarray:
        seen.append(tiles.shape[0] * tiles.shape[1] * tiles.shape[2])
        return forward(self, tiles, *way)

    monkeypatch.setattr(Restorer, "_forward", spy)
    restorer(np.zeros((130, 70, 3), np.uint8))
    assert sum(seen) == network_pixels((130, 70), restorer.tiles, (MULTIPLE, MULTIPLE))


@pytest.mark.parametrize(
    ("variant", "quicker"), [("S-1", 5), ("S-2", 13), ("S-3", 20), ("custom", 0), ("M-2", 0)]
)
def test_the_fast_model_is_named_where_its_gain_is_known(variant: str, quicker: int) -> None:
    card = replace(store.find("derain", quality="fast").card, variant=variant, sha256="other")
    assert estimates._times_quicker(card) == quicker


def test_the_fast_model_is_not_advised_to_those_who_use_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = store.find("derain", quality="fast").card
    assert estimates._times_quicker(replace(fast, variant="S-1")) == 0
    monkeypatch.setattr(store, "shipped_folder", lambda: tmp_path)
    assert estimates._times_quicker(replace(fast, variant="S-1", sha256="other")) == 0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (60, "a minute"),
        (89, "a minute"),
        (100, "2 minutes"),
        (9.4 * 60, "9 minutes"),
        (13 * 60, "15 minutes"),
        (62 * 60, "60 minutes"),
        (2.5 * 3600, "2.5 hours"),
        (20 * 3600, "20 hours"),
        (60 * 3600, "2 days"),
    ],
)
def test_no_more_digits_are_said_than_are_known(seconds: float, words: str) -> None:
    assert Estimate(seconds).sentence() == f"this takes about {words}"


def test_the_sentence_names_the_option_of_the_caller() -> None:
    said = Estimate(300, 5).sentence("--quality fast")
    assert said == "this takes about 5 minutes; --quality fast is about 5 times quicker"
    assert "; quality fast is" in Estimate(300, 5).sentence()
