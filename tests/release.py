"""A small official release: a network of some kilobytes in the place of the S-2 that is on npm."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path

import golden_cases
import numpy as np
import packages
import pytest

from restore.checkpoints import content as contents
from restore.checkpoints import official, weights, zoo
from restore.files import sha256_of
from restore.networks.maxim import VARIANTS, MaximConfig

PINNED = "derain-rain13k"


@dataclass(frozen=True)
class Release:
    """The checkpoint `PINNED` in every layout, and another that has no pins."""

    npz: bytes
    unpinned: bytes
    npz_path: Path
    tgz: Path
    folder: Path


def make(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Release:
    """Write the release, and make the catalogue expect it."""
    case = golden_cases.load(golden_cases.HERE, "small")
    config = MaximConfig.from_dict(case.config)
    monkeypatch.setitem(VARIANTS, "S-2", config)  # type: ignore[arg-type]
    bias = "opt/target/stage_0_input_conv_0/bias"
    changed = case.arrays | {bias: case.arrays[bias] + np.float32(1)}
    made = packages.package(packages.traced(packages.small_arrays()))
    files = Release(
        archive(case.arrays),
        archive(changed),
        folder / "checkpoint.npz",
        made.write_tgz(folder / "package-0.1.0.tgz"),
        made.write_folder(folder / "unpacked"),
    )
    files.npz_path.write_bytes(files.npz)
    entry = zoo.OFFICIAL[PINNED]
    assert entry.pins is not None
    arrays = official.read(files.tgz)
    model = folder / "pinned.safetensors"
    network = official.build(arrays, config, "")
    sha256 = weights.save(network, entry.card(), model, without_unread=True).sha256
    package = replace(
        entry.pins.package, size=files.tgz.stat().st_size, sha256=sha256_of(files.tgz)
    )
    pins = zoo.Pins(package, contents.digest(arrays), sha256)
    monkeypatch.setitem(zoo.OFFICIAL, PINNED, replace(entry, pins=pins))  # type: ignore[arg-type]
    return files


def archive(arrays: dict[str, np.ndarray]) -> bytes:
    """These arrays as the bytes of an .npz."""
    content = io.BytesIO()
    np.savez(content, **arrays)  # type: ignore[arg-type]
    return content.getvalue()
