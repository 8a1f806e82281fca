"""Where exported models are, and what they say of themselves. Imports no torch."""

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
from restore.errors import CheckpointError
from restore.networks import config_to_dict
from restore.version import __version__

_log = logging.getLogger("restore")
OPSET = 21
"""The newest that every ONNX Runtime of the extra runs (1.20 and later). GELU is one operator since
20."""
INPUT, OUTPUT = "picture", "restored"


def folder() -> Path:
    """Return the cache folder's folder of exported models."""
    return store.home() / "onnx"


def cached(model: Model) -> Path:
    """Return a model's ONNX file: one exported ahead, or else one in the cache folder, exported at
    its first use.

    Files exported ahead are called as the model, and lie in `folder` or next to its weights. Of two
    processes that export the second waits, and finds the file. Raises as `export` does, and
    `CheckpointError` where there is no torch to export with.
    """
    name = f"{model.card.name}.onnx"
    made = folder() / f"{_key(model.card)}.onnx"
    for path in (folder() / name, model.path.with_name(name), made):
        if path.is_file():  # also in a read-only folder
            return path
    if not _has_torch():
        raise CheckpointError(
            f"{model.card.name} is not exported, which requires torch; on a machine with torch: "
            f"restore export {model.card.name} {name}; then copy the file to {folder()}"
        )
    return _exported(model, made)


def _has_torch() -> bool:
    try:
        return importlib.util.find_spec("torch") is not None
    except ImportError:
        return False


def _exported(model: Model, path: Path) -> Path:
    from filelock import FileLock

    from restore.export.onnx import export

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if not path.is_file():
                _log.warning("exporting %s to ONNX, once; it may take minutes", model.card.name)
                export(model, path)
    except OSError as error:
        reason = error.strerror or error
        raise CheckpointError(f"{path.parent}: cannot be written: {reason}") from error
    return path


def check_metadata(path: Path, metadata: Mapping[str, str], card: Card) -> None:
    """Raise `CheckpointError` if an exported file is not of this model and number of stages."""
    told = describe(card)
    names = ("weights_sha256", "network")
    if any(name in metadata and metadata[name] != told[name] for name in names):
        raise CheckpointError(
            f"{path}: was not exported from {card.name} as it is here; export it again, or remove "
            "the file"
        )


def describe(card: Card) -> dict[str, str]:
    """What an exported file says of itself; ``size_multiple`` (height, width), ``tile`` and
    ``network`` are JSON."""
    rows, columns = card.network.size_multiple
    tile = card.tiles
    return {
        "name": card.name,
        "task": card.task,
        "licence": card.licence,
        "paper": card.paper,
        "limits": card.limits,
        "input": f"N x 3 x H x W float32, RGB in [0, 1]; H a multiple of {rows}, W of {columns}",
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
    """Names what decides on the graph."""
    values = [card.sha256, card.network.to_dict(), OPSET, __version__]
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()
