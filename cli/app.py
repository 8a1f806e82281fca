"""The Typer app. Each command is one file; heavy imports happen inside the commands."""

from __future__ import annotations

from typing import Annotated

import typer

from restore import TASKS, __version__
from restore.cli import auto, bench, degrade, evaluate, inspect, models, task, train, weights
from restore.cli.console import complain_in_one_line

app = typer.Typer(
    help="Take noise, blur, rain, haze and darkness out of photographs.",
    epilog="Exit codes: 0 fine, 1 could not restore, 2 wrong usage, 130 interrupted.",
    no_args_is_help=True,
    # Rich help costs more start-up time than all the rest; plain help does not.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"restore {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass


for _task in TASKS.values():
    app.command(_task.name, help=_task.summary)(task.command(_task))
app.command("auto")(auto.auto)
app.command("inspect")(inspect.inspect)
app.command("models")(models.models)
app.add_typer(weights.app, name="weights")
app.add_typer(degrade.app, name="degrade")
app.command("train")(train.train)
app.command("eval")(evaluate.evaluate)
app.add_typer(bench.app, name="bench")


def main() -> None:
    """The program `restore`, also `python -m restore.cli`."""
    with complain_in_one_line():
        app(prog_name="restore")
