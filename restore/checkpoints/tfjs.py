"""Official parameters from a TensorFlow.js graph package, read as plain JSON and bytes.

The graph is the official network as traced by jax2tf. The name of an operation contains the path of
its official module after ``/backbone/``, and a parameter is a constant among the inputs of such an
operation. Names of the constants themselves have no meaning.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from restore.checkpoints.package_files import (
    MANIFEST,
    MAX_CONTAINERS,
    MAX_UNPACKED,
    PackageFiles,
    open_package,
)
from restore.errors import CheckpointError

_DTYPES = {"float32": "<f4", "int32": "<i4", "bool": "?"}
_SCOPE = "/backbone/"
_TRANSPOSED = re.compile(r"(.*ConvTranspose_\d+)(?:/|$)")
_MAX_DIMENSIONS = 8


def read(path: Path) -> dict[str, np.ndarray]:
    """Read the parameters of a folder or ``.tgz`` under their official names.

    Arrays are float32 in the official layouts: convolution kernels height x width x in x out,
    matrices in x out, biases and scales one-dimensional. Raises `CheckpointError`, in one line, for
    a package that is malformed, incomplete, or larger than any such network.
    """
    try:
        package = open_package(path)
        model = _parse(package.manifest)
        return _parameters(model, _constants(package, model))
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error


def _parse(manifest: bytes) -> dict[str, Any]:
    # An empty list takes 60 times its two bytes in memory.
    if manifest.count(b"[") + manifest.count(b"{") > MAX_CONTAINERS:
        raise CheckpointError(f"{MANIFEST} holds more than {MAX_CONTAINERS:,} lists and objects")
    try:
        model = json.loads(manifest)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{MANIFEST} is not valid JSON: {error}") from error
    if not isinstance(model, dict) or model.get("format") != "graph-model":
        raise CheckpointError(f"{MANIFEST} is not a graph model of TensorFlow.js")
    return model


def _typed(value: Any, kind: type, what: str) -> Any:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise CheckpointError(f"{MANIFEST}: {what} is missing or malformed")
    return value


@dataclass(frozen=True)
class _Constant:
    """The bytes of one constant among those of all groups."""

    dtype: str
    shape: tuple[int, ...]
    start: int  # bytes
    size: int  # bytes


def _constants(package: PackageFiles, model: dict[str, Any]) -> dict[str, np.ndarray]:
    """Return every constant of the manifest by name, as views of one buffer."""
    groups = _typed(model.get("weightsManifest"), list, "weightsManifest")
    constants: dict[str, _Constant] = {}
    starts: dict[str, tuple[int, int]] = {}  # shard -> its first byte, its length
    end = 0
    for group in groups:
        first = end
        for name, constant in _declared(group, first):
            if name in constants:
                raise CheckpointError(f"the constant {name} is declared twice")
            constants[name] = constant
            end = constant.start + constant.size
            if end > MAX_UNPACKED:
                raise CheckpointError(
                    f"{MANIFEST} declares more than {MAX_UNPACKED:,} bytes of weights; no MAXIM "
                    "has as many"
                )
        at = first
        for shard in _typed(group.get("paths"), list, "a group's paths"):
            size = package.size(_typed(shard, str, "a group's path"))
            if size is None:
                raise CheckpointError(f"the shard {shard} is missing")
            if shard in starts:
                raise CheckpointError(f"the shard {shard} is named twice")
            starts[shard] = (at, size)
            at += size
        if at != end:
            raise CheckpointError(
                f"the shards are too {'short' if at < end else 'long'}: they hold {at - first:,} "
                f"bytes where {MANIFEST} declares {end - first:,}"
            )
    buffer = np.empty(end, np.uint8)
    for shard, content in package.read(starts):
        at, size = starts[shard]
        if len(content) != size:
            raise CheckpointError(f"the shard {shard} changed while it was read")
        buffer[at : at + size] = np.frombuffer(content, np.uint8)
    return {
        name: buffer[c.start : c.start + c.size].view(c.dtype).reshape(c.shape)
        for name, c in constants.items()
    }


def _declared(group: Any, start: int) -> Iterator[tuple[str, _Constant]]:
    """Yield names and places of a group's constants, which follow each other from ``start`` on."""
    _typed(group, dict, "a group of weights")
    for weight in _typed(group.get("weights"), list, "a group's weights"):
        _typed(weight, dict, "a weight")
        name = _typed(weight.get("name"), str, "a weight's name")
        shape = tuple(_typed(weight.get("shape"), list, f"the shape of {name}"))
        if len(shape) > _MAX_DIMENSIONS or any(
            _typed(n, int, f"{name}'s shape") < 0 for n in shape
        ):
            raise CheckpointError(f"the shape of {name} is not one: {str(shape)[:60]}")
        dtype = _typed(weight.get("dtype"), str, f"the dtype of {name}")
        if dtype not in _DTYPES or "quantization" in weight:
            what = "quantised" if dtype in _DTYPES else dtype[:20]
            raise CheckpointError(f"{name} is {what}; only plain {', '.join(_DTYPES)} are read")
        size = math.prod(shape) * np.dtype(_DTYPES[dtype]).itemsize
        yield name, _Constant(_DTYPES[dtype], shape, start, size)
        start += size


def _parameters(model: dict[str, Any], constants: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the constants that are inputs of the network's layers, by their official names."""
    topology = _typed(model.get("modelTopology"), dict, "modelTopology")
    found: dict[str, np.ndarray] = {}
    for node in _typed(topology.get("node"), list, "modelTopology.node"):
        _typed(node, dict, "an operation")
        operation = _typed(node.get("op"), str, "an operation's op")
        name = _parameter_name(_typed(node.get("name"), str, "an operation's name"), operation)
        if name is None:
            continue
        for source in _typed(node.get("input", []), list, f"the input of {name}"):
            value = constants.get(_typed(source, str, f"the input of {name}"))
            if value is None or value.size < 2:  # single values are factors, not parameters
                continue
            if value.dtype != np.float32:
                raise CheckpointError(f"{name} is {value.dtype}, expected float32")
            value = _official_layout(name, operation, value)
            if name in found and not np.array_equal(found[name], value, equal_nan=True):
                raise CheckpointError(f"{name} is found twice, with different values")
            found[name] = value
    if not found:
        raise CheckpointError(f"{MANIFEST} holds no layer of a MAXIM network")
    return found


def _parameter_name(node: str, operation: str) -> str | None:
    """Return the official name of the parameter that an operation reads, None if it reads none."""
    _, inside, path = node.partition(_SCOPE)
    if not inside:
        return None
    module, _, _ = path.rpartition("/")
    if operation == "Conv2D":
        return f"{module}/kernel"
    if operation == "Conv2DBackpropInput":  # named conv2d_transpose or after itself
        match = _TRANSPOSED.match(path)
        return f"{match[1] if match else module}/kernel"
    if operation == "Einsum" and module.endswith("/einsum"):
        return f"{module.removesuffix('/einsum')}/kernel"
    leaf = {"AddV2": "bias", "Mul": "scale"}.get(operation)
    if leaf is not None and module.endswith("/jit_fn_"):
        return f"{module.removesuffix('/jit_fn_')}/{leaf}"
    return None


def _official_layout(name: str, operation: str, value: np.ndarray) -> np.ndarray:
    if operation == "Conv2DBackpropInput":
        if value.ndim != 4:
            raise CheckpointError(f"{name} has shape {value.shape}, expected four dimensions")
        # TensorFlow's kernel is that of the convolution it transposes: out x in, and mirrored.
        return value.swapaxes(-1, -2)[::-1, ::-1]
    if operation in ("AddV2", "Mul"):
        if value.size != value.shape[-1]:
            raise CheckpointError(f"{name} has shape {value.shape}, expected one dimension")
        return value.reshape(-1)  # 1 x 1 x 1 x C -> C
    return value
