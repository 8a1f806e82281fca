"""Models as ONNX files, which run without torch and without this program.

torch's exporter over `torch.export` (``dynamo=True``) is used: its graphs take any number, height
and width of pictures, and it warns of nothing; the older one, over TorchScript, gives up at the
first convolution whose channels its tracing has lost.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from restore.checkpoints import store
from restore.checkpoints.card import Card
from restore.checkpoints.cut import read_network
from restore.checkpoints.store import Model
from restore.errors import CheckpointError, RestoreError, pip_install
from restore.export.onnx_files import INPUT, OPSET, OUTPUT, describe
from restore.files import atomic_path, check_target
from restore.networks import architecture_of
from restore.networks.base import RestorationNetwork
from restore.version import __version__

if TYPE_CHECKING:
    from onnx import ModelProto

MOST = 4096
"""Rows and columns of the size rule's multiple, and pictures, for which torch proves the graph."""


def export(model: Model | str | Path, path: Path, overwrite: bool = False) -> dict[str, str]:
    """Write a model, given by name or file or as found, to ``path``; returns its metadata.

    The file appears whole or not at all. Its graph takes ``picture``, N x 3 x H x W float32, RGB in
    [0, 1], with H and W multiples of what the metadata say, and gives ``restored``, of the same
    shape, which may leave that range. A small model takes half a minute of one core, an official
    S-2 five.

    Raises `CheckpointError` for a model or a target that will not do, `RestoreError` where the
    extra is not installed.
    """
    if path.suffix != ".onnx":
        raise CheckpointError(f"{path}: an ONNX file must end in .onnx")
    check_target(path, overwrite, CheckpointError)
    found = model if isinstance(model, Model) else store.locate(model)
    _require_extra()
    proto = _graph(read_network(found))
    metadata = describe(found.card)
    _label(proto, found.card, metadata)
    try:
        with atomic_path(path) as temporary:
            temporary.write_bytes(proto.SerializeToString())
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be written: {error.strerror or error}") from error
    return metadata


def _graph(network: RestorationNetwork) -> ModelProto:
    rows, columns = network.config.size_multiple
    dim = torch.export.Dim
    shapes = {
        0: dim("pictures", min=1, max=MOST),
        2: rows * dim("rows", min=1, max=MOST),
        3: columns * dim("columns", min=1, max=MOST),
    }
    # No two sides of the example are alike, and none is 1: torch takes such for rules.
    program = torch.onnx.export(
        network,
        (torch.zeros(2, 3, 3 * rows, 4 * columns),),
        input_names=[INPUT],
        output_names=[OUTPUT],
        opset_version=OPSET,
        dynamo=True,
        dynamic_shapes={"x": shapes},
        verbose=False,
    )
    assert program is not None
    return program.model_proto


def _label(proto: ModelProto, card: Card, metadata: dict[str, str]) -> None:
    """Put our metadata in place of the exporter's, which tell of this machine's folders and are as
    large as a small network."""
    from onnx.helper import set_model_props

    graph = proto.graph
    for part in (*graph.node, *graph.input, *graph.output, *graph.initializer, graph):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    graph.ClearField("value_info")  # shapes between the layers, which a runtime infers itself
    graph.name = card.name
    proto.producer_name, proto.producer_version = "restore", __version__
    proto.doc_string = f"{card.name}: {card.task} with {architecture_of(card.network).title}"
    set_model_props(proto, metadata)


def _require_extra() -> None:
    if not all(importlib.util.find_spec(name) for name in ("onnx", "onnxscript")):
        raise RestoreError(f"ONNX files need an extra: {pip_install('onnx')}")
