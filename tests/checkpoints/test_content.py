"""The digest of official parameters identifies content, whatever layout it came in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import packages
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from restore.checkpoints import content, official, zoo
from restore.networks.maxim import VARIANTS
from restore.networks.maxim.network import Maxim

ARRAYS = packages.small_arrays()
DIGEST = content.digest(ARRAYS)


def test_order_and_the_coarse_outputs_do_not_count() -> None:
    assert content.digest(dict(reversed(packages.traced(ARRAYS).items()))) == DIGEST


def test_a_package_has_the_digest_of_the_checkpoint(tmp_path: Path) -> None:
    path = packages.package(packages.traced(ARRAYS)).write_tgz(tmp_path / "p.tgz")
    assert content.digest(official.read(path)) == DIGEST


def test_a_matrix_and_its_1x1_convolution_are_the_same() -> None:
    name = next(n for n, a in ARRAYS.items() if n.endswith("kernel") and a.ndim == 2)
    assert content.digest(ARRAYS | {name: ARRAYS[name][None, None]}) == DIGEST


@given(st.sampled_from(sorted(packages.traced(ARRAYS))), st.integers(0, 10**6))
def test_any_changed_value_changes_the_digest(name: str, place: int) -> None:
    changed = ARRAYS[name].copy()
    flat = changed.reshape(-1)
    flat[place % flat.size] = np.nextafter(flat[place % flat.size], np.float32(9))
    assert content.digest(ARRAYS | {name: changed}) != DIGEST


def test_a_renamed_or_reshaped_parameter_changes_the_digest() -> None:
    name = "stage_0_input_conv_0/kernel"
    flipped = ARRAYS | {name: ARRAYS[name].reshape(3, 3, -1, 3)}
    renamed = {k.replace("stage_0_input", "stage_0_inputs"): a for k, a in ARRAYS.items()}
    assert len({DIGEST, content.digest(flipped), content.digest(renamed)}) == 3


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_is_recognised_by_its_shapes(variant: str) -> None:
    with torch.device("meta"):
        shapes = official.official_shapes(Maxim(VARIANTS[variant]))
    arrays = {name: np.broadcast_to(np.float32(0), shape) for name, shape in shapes.items()}
    assert content.variant_of(arrays) == variant


def test_other_networks_have_no_variant() -> None:
    assert content.variant_of(ARRAYS) is None
    assert content.variant_of({}) is None


def test_pins_are_sha256_values_of_their_own() -> None:
    pins = [entry.pins for entry in zoo.OFFICIAL.values() if entry.pins]
    assert len(pins) == 7
    values = [v for p in pins for v in (p.package.sha256, p.content, p.model)]
    assert len(set(values)) == 21
    assert all(len(v) == 64 and set(v) <= set("0123456789abcdef") for v in values)
    for entry in zoo.OFFICIAL.values():
        if entry.pins:
            assert zoo.by_content(entry.pins.content) is entry
            assert zoo.by_model(entry.pins.model) is entry
    assert zoo.by_model("") is None
