"""Models as ONNX files, which run without torch and without this program.

Networks write their graphs themselves, operator by operator (`restore.networks.graph`). That takes
seconds, whereas tracing torch's network with `torch.onnx` takes minutes; the graphs support
windows, and no torch is required.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from restore.checkpoints import store
from restore.checkpoints.store import Model
from restore.checkpoints.weight_arrays import read_arrays
from restore.errors import CheckpointError, RestoreError, pip_install
from restore.export.onnx_files import can_export, describe
from restore.files import atomic_path, check_target
from restore.networks import architecture_of
from restore.networks.graph import OPSET, GraphBuilder
from restore.version import __version__

if TYPE_CHECKING:
    from onnx import ModelProto

Progress = Callable[[int, int], None]
IR_VERSION = 10
"""The file format of opset 21. Libraries write newer ones, which older runtimes refuse."""


def export(
    model: Model | str | Path,
    path: Path,
    overwrite: bool = False,
    progress: Progress = lambda done, total: None,
) -> dict[str, str]:
    """Write a model, given by name, file or `Model`, to ``path``; return its metadata.

    The file appears complete or not at all. Its graph maps ``picture``, N x 3 x H x W float32, RGB
    in [0, 1], with H and W multiples of the metadata's size rule, to ``restored``, of the same
    shape, which may leave that range. Networks with windows have an optional second input,
    ``windows`` (`GraphBuilder`). ``progress`` is called with the number of parameters in the graph,
    and of all.

    Raises `CheckpointError` for an unusable model or target, `RestoreError` if the extra is not
    installed.
    """
    if path.suffix != ".onnx":
        raise CheckpointError(f"{path}: an ONNX file must end in .onnx")
    check_target(path, overwrite, CheckpointError)
    found = model if isinstance(model, Model) else store.locate(model)
    _require_extra()
    proto = _model(found, progress)
    try:
        with atomic_path(path) as temporary:
            temporary.write_bytes(proto.SerializeToString())
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be written: {error.strerror or error}") from error
    return describe(found.card)


def _model(model: Model, progress: Progress) -> ModelProto:
    from onnx import checker, helper

    card = model.card
    graph = GraphBuilder(read_arrays(model), progress)
    architecture = architecture_of(card.network)
    try:
        result = architecture.add_to_graph(card.network, graph)
        _check_all_used(graph, model)
    except CheckpointError as error:
        raise CheckpointError(f"{model.path}: {error}") from error
    proto = helper.make_model(
        graph.proto(card.name, result, card.network),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="restore",
        producer_version=__version__,
        doc_string=f"{card.name}: {card.task} with {architecture.title}",
    )
    helper.set_model_props(proto, describe(card))
    try:
        checker.check_model(proto, full_check=True)
    except Exception as error:  # the checker's and the inference's have no class in common
        reason = " ".join(str(error).split())
        raise CheckpointError(f"{model.path}: is not the network of its card ({reason})") from error
    return proto


def _check_all_used(graph: GraphBuilder, model: Model) -> None:
    """Raise `CheckpointError` for tensors of another network, unless only a part of it is used."""
    outputs = f"stages.{model.card.network.num_stages - 1}.output_convs."  # coarse ones are unread
    extra = sorted(name for name in graph.unused if not name.startswith(outputs))
    if extra and model.stored is None:
        raise CheckpointError(f"tensor {extra[0]} does not belong to this network")


def _require_extra() -> None:
    if not can_export():
        raise RestoreError(f"ONNX files need an extra: {pip_install('onnx')}")
