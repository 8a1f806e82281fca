"""The command line: parse, call, print. Installed as `restore.cli`."""

from restore.cli.app import main

__all__ = ["main"]
