from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from models import save_model

from restore import Restorer
from restore.checkpoints.card import TILES, Card, TilePolicy
from restore.checkpoints.zoo import OFFICIAL
from restore.engine.tile_options import resolve_policy, windowed, without_windows
from restore.engine.tiling import plan_axes
from restore.errors import UsageError
from restore.heads import HEADS
from restore.networks.maxim import MaximConfig


def test_a_backend_without_windows_gets_tiles_of_about_their_size() -> None:
    assert without_windows(windowed(128, 32)) == TilePolicy(384, 32, 384 * 384)
    plain = TilePolicy(96, 8, 96 * 96)
    assert without_windows(plain) is plain


def test_exact_is_off_to_rounding_and_windows_are_not(tmp_path: Path) -> None:
    model = save_model(tmp_path, training_patch=32)
    image = np.random.default_rng(0).random((90, 130, 3), dtype=np.float32)

    def restored(tile: str, **options: Any) -> np.ndarray:
        chosen = {"device": "cpu", "precision": "float32", "tile": tile}
        return Restorer("denoise", model, **(chosen | options))(image)

    off = restored("off")
    np.testing.assert_allclose(restored("exact"), off, rtol=0, atol=1e-5)
    assert np.abs(restored("window") - off).max() > 1e-4
    ensemble = restored("window", ensemble=True)
    assert ensemble.shape == off.shape
    with pytest.raises(UsageError, match="exact, window"):
        restored("nothing")


def card(task: str, tile: TilePolicy | None) -> Card:
    return Card("a", task, MaximConfig(), "", tile=tile)


@pytest.mark.parametrize("tile", [None, TILES], ids=["no policy", "unmeasured"])
def test_scene_heads_are_reduced_unless_a_card_has_a_measured_policy(
    tile: TilePolicy | None,
) -> None:
    for task, head in HEADS.items():
        policy = resolve_policy("auto", None, card(task, tile))
        assert policy.reduce_to == head.reduce_to == (400 if task in ("dehaze", "enhance") else 0)
        if head.reduce_to:  # and not cut after that, however long
            assert plan_axes((400, 6000), policy, (64, 64))[1].starts == (0,)
        else:
            assert policy == TILES
    measured = TilePolicy(384, 64, 384 * 384, reduce_to=128)
    assert resolve_policy("auto", None, card("dehaze", measured)) == measured


def test_official_scene_models_are_never_seen_in_tiles_by_default() -> None:
    for entry in OFFICIAL.values():
        policy = resolve_policy("auto", None, entry.card())
        assert bool(policy.reduce_to) == bool(HEADS[entry.task].reduce_to)


def test_reduce_chooses_the_shorter_side_or_every_pixel() -> None:
    scene, details = card("enhance", None), card("derain", windowed(256))
    assert resolve_policy("auto", None, scene, 250).reduce_to == 250
    assert resolve_policy("auto", None, scene, "250") == resolve_policy("auto", None, scene, 250)
    every = resolve_policy("auto", None, scene, "off")
    assert every.reduce_to == 0
    assert plan_axes((3000, 4000), every, (64, 64))[0].starts == (0,)  # whole, as memory allows
    assert resolve_policy("auto", None, details, "off") == details.tile
    assert resolve_policy("auto", None, details) == details.tile


def test_reduce_goes_with_tiles_of_the_reduced_image() -> None:
    scene = card("dehaze", None)
    assert resolve_policy(256, 32, scene).reduce_to == 0
    assert resolve_policy(256, 32, scene, 400) == TilePolicy(256, 32, 0, reduce_to=400)
    assert resolve_policy("off", None, scene, 400).reduce_to == 400
    assert resolve_policy(256, None, scene, "off") == resolve_policy(256, None, scene)


def test_a_head_of_details_is_warned_when_reduced(caplog: pytest.LogCaptureFixture) -> None:
    assert resolve_policy("auto", None, card("dehaze", None), 300).reduce_to == 300
    assert caplog.records == []
    assert resolve_policy("auto", None, card("derain", None), 300).reduce_to == 300
    assert "derain judges details, which a reduced image does not show" in caplog.text


@pytest.mark.parametrize("reduce", [0, 15, -400, "none", "", "400px", True, [400], float("nan")])
def test_reductions_that_make_no_sense_are_wrong_usage(reduce: Any) -> None:
    with pytest.raises(UsageError, match=r"reduce is .*; use off, or pixels of the shorter side"):
        resolve_policy("auto", None, card("dehaze", None), reduce)


def test_a_model_sees_what_reduce_says_and_every_pixel_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = save_model(tmp_path, task="enhance")
    seen: list[tuple[int, int]] = []
    forward = Restorer._forward

    def spy(self: Restorer, tiles: np.ndarray, *way: Any) -> np.ndarray:
        seen.append((tiles.shape[1], tiles.shape[2]))
        return forward(self, tiles, *way)

    monkeypatch.setattr(Restorer, "_forward", spy)
    image = np.random.default_rng(0).integers(0, 255, (128, 192, 3), np.uint8)
    for reduce, sizes in ((64, {(64, 96)}), ("off", {(128, 192)}), (None, {(128, 192)})):
        seen.clear()
        result = Restorer("enhance", model, device="cpu", reduce=reduce)(image)
        assert result.shape == image.shape
        assert set(seen) == sizes
