"""The command line: parse, call, print. Installed as `restore.cli`.

The files of commands do without ``from __future__ import annotations``: at every start Typer would
have to evaluate the annotations back from strings, which takes longer than all else here.
"""

from restore.cli.app import main

__all__ = ["main"]
