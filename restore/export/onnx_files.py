"""Locations of exported models, and their metadata. Imports no torch."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
from collections.abc import Mapping
from pathlib import Path

from restore.checkpoints import store
from restore.checkpoints.card import FLOAT32, Card
from restore.checkpoints.store import Model
from restore.errors import CheckpointError, RestoreError, pip_install
from restore.networks import config_to_dict
from restore.networks.graph import OPSET
from restore.version import __version__

_log = logging.getLogger("restore")
GRAPHS = 2
"""Counts changes of the graphs that networks write, so that the cache forgets earlier ones."""


def cached(model: Model) -> Path:
    """Return a model's ONNX file: one exported ahead, else one in the cache folder, exported at its
    first use.

    Files exported ahead have the name of the model, and are in `store.exported_folder` or next to
    its weights. If two processes export the same model, the second waits. Raises as `export` does,
    and `CheckpointError` if the package for exporting is missing.
    """
    if model.origin == "exported" and model.stored:
        raise CheckpointError(
            f"{model.path}: has all stages; fewer require the weights: restore weights pull "
            f"{model.card.name}"
        )
    made = store.exported_folder() / f"{_key(model.card)}.onnx"
    for path in (*_named(model), made):
        if path.is_file():  # also in a read-only folder
            return path
    if not can_export():
        name = model.card.name
        raise CheckpointError(
            f"{name} is not exported to ONNX; pip install onnx, or run elsewhere: restore export "
            f"{name} {name}.onnx; and copy the file to {store.exported_folder()}"
        )
    return _exported(model, made)


def _named(model: Model) -> tuple[Path, ...]:
    """Return possible paths of a file exported ahead. Cut networks have none."""
    name = f"{model.card.name}.onnx"
    return () if model.stored else (store.exported_folder() / name, model.path.with_name(name))


def can_run(model: Model) -> bool:
    """Whether the packages that are installed can run a model: torch or, for ONNX Runtime, a file
    exported ahead or the package that makes one."""
    made = store.exported_folder() / f"{_key(model.card)}.onnx"
    return has_torch() or can_export() or any(p.is_file() for p in (*_named(model), made))


def can_export() -> bool:
    """Whether the package that writes ONNX files is installed."""
    return _is_installed("onnx")


def has_torch() -> bool:
    """Whether torch is installed."""
    return _is_installed("torch")


def _is_installed(package: str) -> bool:
    """Look for a package without importing it."""
    try:
        return importlib.util.find_spec(package) is not None
    except ImportError:
        return False


def _exported(model: Model, path: Path) -> Path:
    from filelock import FileLock

    from restore.export.onnx import export

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if not path.is_file():
                _log.info("exporting %s to ONNX, once", model.card.name)
                export(model, path)
    except OSError as error:
        reason = error.strerror or error
        raise CheckpointError(f"{path.parent}: cannot be written: {reason}") from error
    return path


def read_metadata(path: Path) -> Mapping[str, str]:
    """Return the metadata of a file. Raises `CheckpointError` if ONNX Runtime cannot load it, and
    `RestoreError` if that is not installed."""
    try:
        from onnxruntime import GraphOptimizationLevel, InferenceSession, SessionOptions
    except ImportError:
        raise RestoreError(f"ONNX files need an extra: {pip_install('onnx')}") from None
    options = SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no class in common
        reason = " ".join(str(error).split())
        raise CheckpointError(f"{path}: is no ONNX file ({reason})") from error
    return session.get_modelmeta().custom_metadata_map


def check_metadata(path: Path, metadata: Mapping[str, str], card: Card) -> None:
    """Raise `CheckpointError` if an exported file is not of this model and number of stages."""
    told = describe(card)
    # The SHA-256 of some official models is not known before they are converted.
    names = ("weights_sha256", "network") if card.sha256 else ("name", "network")
    if any(name in metadata and metadata[name] != told[name] for name in names):
        raise CheckpointError(
            f"{path}: was not exported from {card.name} as it is here; export it again, or remove "
            "the file"
        )


def describe(card: Card) -> dict[str, str]:
    """Return the metadata of an exported file; ``size_multiple`` (height, width), ``tile`` and
    ``network`` are JSON."""
    rows, columns = card.network.size_multiple
    tile = card.tiles
    return {
        "name": card.name,
        "task": card.task,
        "licence": card.licence,
        "paper": card.paper,
        "limits": card.limits,
        "input": f"N x 3 x H x W float32, RGB in [0, 1]; H a multiple of {rows}, W of {columns}, "
        "times the number of windows",
        "output": "as the input; values may leave [0, 1]",
        "size_multiple": json.dumps([rows, columns]),
        "tile": json.dumps({"size": tile.size, "overlap": tile.overlap}),
        "network": json.dumps(config_to_dict(card.network), sort_keys=True),
        "precision": FLOAT32,
        "opset": str(OPSET),
        "weights_sha256": card.sha256,
        "restore_version": __version__,
    }


def _key(card: Card) -> str:
    """Return a name for everything that determines the graph."""
    values = [card.sha256, card.network.to_dict(), OPSET, GRAPHS, __version__]
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()
