from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from models import save_model

from restore import Restorer
from restore.checkpoints.card import TilePolicy
from restore.engine.policy import window_borders, windowed, windows, without_windows
from restore.engine.tiling import plan_axis
from restore.errors import UsageError


@given(
    length=st.integers(1, 4000),
    multiple=st.sampled_from([2, 16, 64]),
    side=st.sampled_from([0, 64, 128, 256]),
)
def test_windows_are_about_as_large_as_asked_and_add_least(
    length: int, multiple: int, side: int
) -> None:
    count = windows(length, multiple, side)
    if not side or length <= side:
        assert count == 1
        return
    assert 2 * side <= 3 * length / count <= 4.5 * side or count == 1
    if count == 1:
        assert length < 1.5 * side
    for other in range(1, 100):
        if 2 / 3 * side <= length / other <= 1.5 * side:
            assert -length % (count * multiple) <= -length % (other * multiple)


@given(length=st.integers(1, 3000), tile=st.sampled_from([256, 1024]))
def test_borders_of_windows_lie_within_the_picture_and_apart(length: int, tile: int) -> None:
    axis = plan_axis(length, tile, 64, 64)
    borders = list(window_borders(axis, 64, 128))
    assert all(0 < border < length for border in borders)
    assert len(borders) == len(axis.starts) * (windows(axis.size, 64, 128) - 1)


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
