"""`restore export MODEL OUT.onnx`: a model for other programs."""

from pathlib import Path
from typing import Annotated

import typer

from restore.cli.console import Reporter
from restore.cli.options import Json, Overwrite, Quiet


def export(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="A model's name (see: restore models) or a .safetensors file."
        ),
    ],
    target: Annotated[Path, typer.Argument(metavar="OUT.onnx")],
    overwrite: Overwrite = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write a model as an ONNX file.

    It accepts pictures of any height and width.
    """
    from restore.checkpoints import store
    from restore.export import onnx

    reporter, found = Reporter(json, quiet), store.locate(model)
    with reporter.progress(found.card.name) as progress:
        # One step: in a pipe, only exports that take long are worth lines.
        metadata = onnx.export(found, target, overwrite, lambda n, of: progress(n / of, 1))
    size = target.stat().st_size
    rows, columns = found.card.network.size_multiple
    reporter.result(
        f"{model} -> {target} ({size / 1e6:.1f} MB, opset {metadata['opset']}, {columns} x {rows} "
        "pixels or multiples of these)",
        model=model,
        output=str(target),
        bytes=size,
        metadata=metadata,
    )
