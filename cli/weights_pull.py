"""`restore weights pull`: get official models, as weights or as ONNX files."""

from typing import Annotated

import typer

from restore.cli.console import COULD_NOT_RESTORE, Reporter
from restore.cli.options import Quiet


def pull(
    name: Annotated[
        str | None,
        typer.Argument(help="A model (see: restore models), or a head for its recommended one."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All official models, 450 MB and more.")
    ] = False,
    source: Annotated[
        str,
        typer.Option(
            metavar="auto|bucket|npm|FILE",
            help="auto asks the bucket of the release, then npm. FILE: an .npz, .tgz or folder.",
        ),
    ] = "auto",
    sha256: Annotated[
        str | None, typer.Option(help="Accept only a download with this SHA-256.")
    ] = None,
    onnx: Annotated[
        bool,
        typer.Option(
            "--onnx",
            help="Also make the model's ONNX file, for --backend onnxruntime. Without torch, it "
            "is downloaded instead of the checkpoint.",
        ),
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Download an official checkpoint and convert it."""
    from restore.checkpoints.zoo import OFFICIAL
    from restore.errors import RestoreError, UsageError

    reporter, get = Reporter(quiet=quiet), _pull_onnx if onnx else _pull
    if (name is None) != everything:
        raise UsageError("name one model or head, or give --all (see: restore models)")
    if name is not None:
        get(name, source, sha256, reporter)
        return
    if sha256 is not None or source not in ("auto", "bucket", "npm"):
        raise UsageError("--all takes neither --sha256 nor a file as --source")
    failed = 0
    for each in OFFICIAL:
        try:
            get(each, source, None, reporter)
        except RestoreError as error:
            failed += 1
            typer.echo("error: " + " ".join(str(error).split()), err=True)
    if failed:
        typer.echo(f"error: {failed} of {len(OFFICIAL)} models could not be pulled", err=True)
        raise typer.Exit(COULD_NOT_RESTORE)


def _pull(name: str, source: str, sha256: str | None, reporter: Reporter) -> None:
    from restore.checkpoints import acquire
    from restore.errors import RestoreError
    from restore.export.onnx_files import has_torch

    if not has_torch():
        raise RestoreError(
            f"converting {name} requires torch; without it: restore weights pull {name} --onnx"
        )
    with reporter.progress(name, of_bytes=True) as progress:
        model = acquire.pull(name, sha256, progress, source, reporter.note)
    reporter.result(
        f"{model.card.name} is installed ({model.path}; use: restore {model.card.task} IN OUT "
        f"--model {model.card.name})"
    )


def _pull_onnx(name: str, source: str, sha256: str | None, reporter: Reporter) -> None:
    from restore.export import pull

    with reporter.progress(name, of_bytes=True) as progress:
        model = pull.obtain(name, sha256, progress, source, reporter.note)
    with reporter.progress(f"export {name}") as progress:
        path = pull.install(model, lambda n, of: progress(n / of, 1))
    reporter.result(
        f"{model.card.name} is installed ({path}; use: restore {model.card.task} IN OUT --model "
        f"{model.card.name} --backend onnxruntime)"
    )
