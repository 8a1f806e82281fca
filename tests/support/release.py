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

    pins: zoo.Pins
    config: MaximConfig

    def publish(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Make the catalogue expect this release."""
        entry = replace(zoo.OFFICIAL[PINNED], pins=self.pins)
        monkeypatch.setitem(VARIANTS, "S-2", self.config)  # type: ignore[arg-type]
        monkeypatch.setitem(zoo.OFFICIAL, PINNED, entry)  # type: ignore[arg-type]


def make(folder: Path) -> Release:
    """Write the release into a folder."""
    case = golden_cases.load(golden_cases.HERE, "small")
    config = MaximConfig.from_dict(case.config)
    bias = "opt/target/stage_0_input_conv_0/bias"
    changed = case.arrays | {bias: case.arrays[bias] + np.float32(1)}
    made = packages.package(packages.traced(packages.small_arrays()))
    tgz = made.write_tgz(folder / "package-0.1.0.tgz")
    npz = archive(case.arrays)
    (folder / "checkpoint.npz").write_bytes(npz)
    arrays = official.read(tgz)
    entry = zoo.OFFICIAL[PINNED]
    assert entry.pins is not None
    network = official.build(arrays, config, "")
    model = weights.save(network, entry.card(), folder / "pinned.safetensors", without_unread=True)
    size = tgz.stat().st_size
    package = replace(entry.pins.package, size=size, sha256=sha256_of(tgz))
    return Release(
        npz=npz,
        unpinned=archive(changed),
        npz_path=folder / "checkpoint.npz",
        tgz=tgz,
        folder=made.write_folder(folder / "unpacked"),
        pins=zoo.Pins(package, contents.digest(arrays), model.sha256),
        config=config,
    )


def archive(arrays: dict[str, np.ndarray]) -> bytes:
    """These arrays as the bytes of an .npz."""
    content = io.BytesIO()
    np.savez(content, **arrays)  # type: ignore[arg-type]
    return content.getvalue()
