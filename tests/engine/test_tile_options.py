from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from models import save_model

from restore import Restorer
from restore.checkpoints.card import TilePolicy
from restore.engine.tile_options import windowed, without_windows
from restore.errors import UsageError


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
