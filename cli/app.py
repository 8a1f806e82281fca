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
    compare,
    degrade,
    evaluate,
    export,
    inspect,
    models,
    serve,
    task,
    train,
    weights,
)
from restore.cli.console import complain_in_one_line
from restore.cli.grouped_help import GroupedCommand
from restore.cli.missing import name_missing_packages
from restore.engine import threads
from restore.heads import HEADS

app = typer.Typer(
    help="Remove noise, blur, rain, haze and darkness from photographs.",
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
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    pass


def _is_asked_for(name: str) -> bool:
    """Whether the options of a command can matter: it is called, or the shell completes a line.

    Typer examines all options of all commands, which would take most of the time of ``restore
    --help``. The list of commands needs no options.
    """
    return name in sys.argv or "_RESTORE_COMPLETE" in os.environ


def _nothing() -> None:
    """Stand in the list of commands for one that is not called."""


def _add(name: str, function: Callable[..., None], summary: str | None = None) -> None:
    add = app.command(name, cls=GroupedCommand, help=summary or function.__doc__)
    add(function if _is_asked_for(name) else _nothing)


def _add_group(name: str, group: typer.Typer) -> None:
    app.add_typer(group if _is_asked_for(name) else typer.Typer(help=group.info.help), name=name)


for _head in HEADS.values():
    _add(_head.name, task.command(_head), _head.summary)
_add("auto", auto.auto)
_add("inspect", inspect.inspect)
_add("compare", compare.compare)
_add("models", models.models)
_add("serve", serve.serve)
_add_group("weights", weights.app)
_add_group("degrade", degrade.app)
_add("train", train.train)
_add("eval", evaluate.evaluate)
_add_group("bench", bench.app)
_add("export", export.export)


def main() -> None:
    """The program `restore`, also `python -m restore.cli`."""
    threads.prepare()
    with complain_in_one_line(), name_missing_packages():
        app(_without_debug(sys.argv[1:]), prog_name="restore")


def _without_debug(words: list[str]) -> list[str]:
    """Leave out ``--debug``, which `complain_in_one_line` looks for in any place."""
    end = words.index("--") if "--" in words else len(words)
    return [word for word in words[:end] if word != "--debug"] + words[end:]
