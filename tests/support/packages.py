"""Packages of the form in which official models lie on npm, made from arrays of any size."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import golden_cases
import numpy as np

PREFIX = "opt/target/"
SCOPE = "StatefulPartitionedCall/jax2tf_apply_/Wrapper/backbone/"
SHARD = 5000  # bytes; constants lie across the borders of shards, as in the real ones


def small_arrays() -> dict[str, np.ndarray]:
    """Parameters of the small golden case under their official names."""
    arrays = golden_cases.load(golden_cases.HERE, "small").arrays
    return {name.removeprefix(PREFIX): array for name, array in arrays.items()}


def traced(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Those that a trace of inference keeps: all but the coarse output of the last stage."""
    return {name: a for name, a in arrays.items() if not name.startswith("stage_1_output_conv_1")}


@dataclass
class Package:
    """``model.json`` as a value, and the bytes of each shard: for a test to spoil."""

    model: dict[str, Any]
    shards: dict[str, bytes]
    extra: dict[str, bytes] = field(default_factory=dict)

    def files(self) -> dict[str, bytes]:
        return {"model.json": json.dumps(self.model).encode(), **self.shards, **self.extra}

    def write_folder(self, folder: Path) -> Path:
        folder.mkdir()
        for name, content in self.files().items():
            (folder / name).write_bytes(content)
        return folder

    def write_tgz(self, path: Path) -> Path:
        # Shards come before the manifest and out of order, as in the real packages.
        pack(path, {f"package/models/{k}": v for k, v in sorted(self.files().items())})
        return path

    @property
    def group(self) -> dict[str, Any]:
        return self.model["weightsManifest"][0]

    def weight(self, suffix: str) -> dict[str, Any]:
        """The manifest's entry of the constant that is the named parameter."""
        return next(w for w in self.group["weights"] if w["name"].endswith(f"={suffix}"))

    def node(self, ending: str) -> dict[str, Any]:
        return next(n for n in self.model["modelTopology"]["node"] if n["name"].endswith(ending))


def pack(path: Path, files: Mapping[str, bytes]) -> None:
    """A .tgz of these files, the same bytes every time."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    write_gzip(path, content.getvalue())


def write_gzip(path: Path, content: bytes) -> None:
    import gzip

    path.write_bytes(gzip.compress(content, mtime=0))


def package(
    arrays: Mapping[str, np.ndarray], change: Callable[[Package], object] | None = None
) -> Package:
    """A graph whose layers hold ``arrays``, which ``change`` may spoil before it is written."""
    nodes: list[dict[str, Any]] = [{"name": "input", "op": "Placeholder", "inputs": []}]
    weights: list[dict[str, Any]] = []
    content = b""
    for number, (name, array) in enumerate(arrays.items()):
        node, operation, value = _operation(name, array)
        steering = np.array([number, 3], np.int32)  # a shape, as most constants are
        half = np.array(0.5, np.float32)
        for label, constant in ((f"c{number}={name}", value), (f"s{number}", steering)):
            weights.append(_declared(label, constant))
            content += np.ascontiguousarray(constant).tobytes()
        weights.append(_declared(f"h{number}", half))
        content += half.tobytes()
        nodes.append({"name": f"c{number}={name}", "op": "Const", "inputs": []})
        nodes.append(
            {"name": SCOPE + node, "op": operation, "input": ["input", f"c{number}={name}"]}
        )
        nodes.append({"name": f"{SCOPE}{node}_half", "op": "Sub", "input": [f"h{number}"]})
    cuts = range(0, len(content), SHARD)
    shards = {
        f"group1-shard{i + 1}of{len(cuts)}.bin": content[at : at + SHARD]
        for i, at in enumerate(cuts)
    }
    model = {
        "format": "graph-model",
        "modelTopology": {"node": nodes, "library": {}},
        "weightsManifest": [{"paths": list(shards), "weights": weights}],
    }
    made = Package(model, shards)
    if change is not None:
        change(made)
    return made


def _declared(name: str, value: np.ndarray) -> dict[str, Any]:
    return {"name": name, "shape": list(value.shape), "dtype": value.dtype.name}


def _operation(name: str, array: np.ndarray) -> tuple[str, str, np.ndarray]:
    """Name and kind of the layer's operation, and the constant it takes."""
    path, _, leaf = name.rpartition("/")
    if leaf == "bias":
        return f"{path}/jit_fn_/AddV2", "AddV2", array.reshape(1, 1, 1, -1)
    if leaf == "scale":
        return f"{path}/jit_fn_/Mul_4", "Mul", array.reshape(1, 1, 1, -1)
    if array.ndim == 2:
        return f"{path}/einsum/Einsum", "Einsum", array
    if "ConvTranspose" in path:
        value = array[::-1, ::-1].swapaxes(-1, -2)
        return f"{path}/conv2d_transpose", "Conv2DBackpropInput", value
    return f"{path}/Conv2D", "Conv2D", array
