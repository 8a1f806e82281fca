"""The Typer app. Each command is one file; heavy imports happen inside the commands."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from restore import __version__
from restore.cli import (
    auto,
    bench,
    degrade,
    evaluate,
    export,
    inspect,
    models,
    task,
    train,
    weights,
)
from restore.cli.console import complain_in_one_line
from restore.engine import threads
from restore.heads import HEADS

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


def _is_asked_for(name: str) -> bool:
    """Whether the options of a command can matter: it is called, or the shell completes a line.

    Typer looks at all options of all commands it has, which is most of what ``restore --help``
    would take. Without options they stand in the list all the same.
    """
    return name in sys.argv or "_RESTORE_COMPLETE" in os.environ


def _nothing() -> None:
    """Stands in the list for a command that is not called."""


def _add(name: str, function: Callable[..., None], summary: str | None = None) -> None:
    app.command(name, help=summary or function.__doc__)(
        function if _is_asked_for(name) else _nothing
    )


def _add_group(name: str, group: typer.Typer) -> None:
    app.add_typer(group if _is_asked_for(name) else typer.Typer(help=group.info.help), name=name)


for _head in HEADS.values():
    _add(_head.name, task.command(_head), _head.summary)
_add("auto", auto.auto)
_add("inspect", inspect.inspect)
_add("models", models.models)
_add_group("weights", weights.app)
_add_group("degrade", degrade.app)
_add("train", train.train)
_add("eval", evaluate.evaluate)
_add_group("bench", bench.app)
_add("export", export.export)


def main() -> None:
    """The program `restore`, also `python -m restore.cli`."""
    threads.prepare()
    with complain_in_one_line():
        app(prog_name="restore")
