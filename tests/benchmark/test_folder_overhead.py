"""Overhead of a folder run is measured."""

from __future__ import annotations

import time

import numpy as np
import pytest

from restore.benchmark.folder_overhead import measure
from restore.errors import RestoreError


def test_a_folder_costs_its_network_and_a_little() -> None:
    seen = []

    def restore(pixels: np.ndarray, report: object) -> np.ndarray:
        time.sleep(0.02)
        seen.append(pixels.shape)
        return pixels

    found = measure(restore, {}, 8, (24, 40), ".png", lambda done, total: None)
    assert seen == [(24, 40, 3)] * (1 + 8 + 8)
    assert found.pictures == 8
    assert found.megapixels == pytest.approx(8 * 24 * 40 / 1e6)
    assert found.network >= 8 * 0.02
    assert found.ratio == found.folder / found.network


def test_a_failure_raises_instead_of_a_figure() -> None:
    calls = 0

    def restore(pixels: np.ndarray, report: object) -> np.ndarray:
        nonlocal calls
        calls += 1
        if calls > 2:
            raise RestoreError("tired")
        return pixels

    with pytest.raises(RestoreError, match="tired"):
        measure(restore, {}, 4, (8, 8), ".png", lambda done, total: None)
