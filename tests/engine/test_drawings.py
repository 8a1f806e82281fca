"""Text and diagrams are recognised and left unchanged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn import bordered, page
from models import save_model

from restore import Restorer
from restore.checkpoints import weights
from restore.checkpoints.card import read_card
from restore.engine.drawings import WINDOW, drawn, keep_drawings


def floats(image: np.ndarray) -> np.ndarray:
    return image.astype(np.float32) / 255


def photographed(height: int, width: int) -> np.ndarray:
    """Smooth shapes with a camera's noise."""
    random = np.random.default_rng(0)
    shapes = cv2.GaussianBlur(random.random((height, width, 3)), (0, 0), 9) * 4 - 1.5
    return np.clip(shapes + random.normal(0, 0.02, shapes.shape), 0, 1).astype(np.float32)


@pytest.mark.parametrize("image", [page(12), page(24), page(40, True), bordered()])
def test_drawings_are_drawn(image: np.ndarray) -> None:
    assert drawn(floats(image)).min() == 1


def test_photographs_are_not() -> None:
    assert drawn(photographed(200, 300)).max() == 0


def test_a_photographed_page_is_not() -> None:
    """A scan has the noise of its camera, and is restored."""
    noise = np.random.default_rng(0).normal(0, 4 / 255, (256, 384, 3))
    scan = cv2.GaussianBlur(floats(page(24)), (0, 0), 1) + noise.astype(np.float32)
    assert drawn(scan.clip(0, 1)).max() < 0.2


def test_a_gradient_is_not() -> None:
    ramp = np.linspace(0, 1, 1000, dtype=np.float32)
    assert drawn(np.broadcast_to(ramp[None, :, None], (100, 1000, 3))).max() == 0


def test_a_photograph_in_a_page_is_told_from_it() -> None:
    image = floats(page(24))
    image[60:220, 100:320] = photographed(160, 220)
    found, half = drawn(image), WINDOW // 2
    assert found[60 + half : 220 - half, 100 + half : 320 - half].max() == 0
    assert found[:, : 100 - half].min() == 1


def test_nothing_is_copied_where_nothing_is_drawn() -> None:
    images = photographed(70, 80)[None]
    restored = images / 2
    assert keep_drawings(images, restored) is restored


@pytest.mark.parametrize("size", [(3, 5), (1, 90), (64, 64)])
def test_small_images(size: tuple[int, int]) -> None:
    image = np.ones((*size, 3), np.float32)
    assert drawn(image).shape == size
    np.testing.assert_array_equal(keep_drawings(image[None], image[None] / 2), image[None])


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("tile", ["auto", 64])
def test_a_card_decides(tmp_path: Path, kind: type, tile: int | str) -> None:
    model = Path(save_model(tmp_path))
    image = page(24)[:200, :300]
    if kind is not np.uint8:
        image = image.astype(np.uint16) * 257 if kind is np.uint16 else floats(image)
    plain = Restorer("denoise", model, device="cpu", tile=tile)(image)
    assert (plain != image).any()
    weights.write_card(replace(read_card(model), keeps_drawings=True), model)
    kept = Restorer("denoise", model, device="cpu", tile=tile)(image)
    # Where tiles of floats overlap, their mean is rounded.
    np.testing.assert_allclose(kept, image, atol=1e-6 if kind is np.float32 else 0)
