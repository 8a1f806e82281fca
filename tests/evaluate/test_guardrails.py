"""Guardrails: restorations that were looked at raise no sign, harms that are put in do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from restore.engine.restorer import Restorer
from restore.evaluate.guardrails import Borders, seam, suspicious

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
RESTORED = {
    "denoise": ("cat-noisy", "cat-denoised"),
    "deblur": ("astronaut-blurred", "astronaut-deblurred"),
    "derain": ("cat-rainy", "cat-derained"),
    "dehaze": ("astronaut-hazy", "astronaut-dehazed"),
    "enhance": ("coffee-dark", "coffee-enhanced"),
}


def sample(name: str) -> np.ndarray:
    return np.asarray(Image.open(SAMPLES / f"{name}.png").convert("RGB"))


def names(
    before: np.ndarray, after: np.ndarray, head: str = "denoise", borders: Borders = ((), ())
) -> list[str]:
    return [sign.name for sign in suspicious(before, after, head, borders)]


@pytest.mark.parametrize("head", RESTORED)
def test_good_restorations_raise_no_sign(head: str) -> None:
    before, after = (sample(name) for name in RESTORED[head])
    assert names(before, after, head) == []


def test_an_unchanged_picture_raises_no_sign() -> None:
    assert names(sample("cat-clean"), sample("cat-clean")) == []


def test_brightness_counts_on_clean_pictures_of_heads_that_keep_it() -> None:
    clean = sample("astronaut-clean")
    darker = (clean * 0.9).astype(np.uint8)
    assert names(clean, darker) == ["brightness moved"]
    assert names(clean, darker, "enhance") == []


def test_a_turned_hue_is_seen_and_noise_is_none() -> None:
    clean = sample("coffee-clean")
    turned = np.asarray(Image.fromarray(clean).convert("HSV")).copy()
    turned[..., 0] += 12  # of 256
    harmed = np.asarray(Image.fromarray(turned, "HSV").convert("RGB"))
    assert "hue turned" in names(clean, harmed)
    assert "hue turned" not in names(clean, harmed, "enhance")
    noise = np.random.default_rng(0).normal(0, 25, clean.shape)
    noisy = (clean + noise).clip(0, 255).astype(np.uint8)
    assert "hue turned" not in names(noisy, clean)


def test_new_texture_in_flat_areas_is_seen() -> None:
    clean = sample("astronaut-clean")
    rows, columns = np.indices(clean.shape[:2])
    pattern = np.where((rows + columns) % 2 == 0, 4, -4)[..., None]
    harmed = (clean.astype(int) + pattern).clip(0, 255).astype(np.uint8)
    assert names(clean, harmed) == ["flat areas gained texture"]
    assert names(harmed, clean) == []


def test_a_step_along_a_border_is_seen() -> None:
    clean = sample("astronaut-clean")
    harmed = clean.astype(int)
    harmed[:, 200:] -= 4
    harmed[:, 300:] += 4
    harmed = harmed.clip(0, 255).astype(np.uint8)
    assert names(clean, harmed, borders=((), (200, 300))) == ["tile border shows"]
    assert names(clean, harmed, borders=((200, 300), ())) == []  # the other way
    assert names(clean, harmed, borders=((), (100, 250))) == []  # elsewhere
    assert names(harmed, harmed, borders=((), (200, 300))) == []  # it was there before


def test_an_object_that_ends_at_a_border_is_no_seam() -> None:
    blurred, sharp = np.full((2, 256, 256, 3), 60, np.uint8)
    sharp[40:140, 128:] = blurred[40:140, 132:] = 180
    blurred[40:140, 124:132] = 120
    assert names(blurred, sharp, "deblur", ((), (128,))) == []


@pytest.mark.parametrize("head", ["dehaze", "enhance"])
def test_tiles_that_judge_a_scene_each_by_itself_show(head: str) -> None:
    """Without overlap, and without the reduced view that these heads have by default."""
    before = sample(RESTORED[head][0])[:256, :256]
    for options, shows in (({"tile": 128, "overlap": 0}, True), ({}, False)):
        restorer = Restorer(head, quality="fast", device="cpu", **options)
        sign = seam(before, restorer(before), restorer.borders(before))
        assert (sign.value > sign.limit) == shows


def test_the_worst_sign_comes_first() -> None:
    clean = sample("astronaut-clean")
    noise = np.random.default_rng(0).normal(0, 40, clean.shape)
    signs = suspicious(clean, (clean * 0.8 + noise).clip(0, 255).astype(np.uint8), "denoise")
    assert len(signs) > 1
    assert [sign.excess for sign in signs] == sorted((s.excess for s in signs), reverse=True)
    assert all(sign.value > sign.limit for sign in signs)


@settings(max_examples=30, deadline=None)
@given(height=st.integers(1, 40), width=st.integers(1, 40), seed=st.integers(0, 99))
def test_any_size_is_taken(height: int, width: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    borders = range(1, height), range(1, width)
    assert names(pixels, pixels, borders=borders) == []
