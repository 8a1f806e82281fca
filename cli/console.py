"""Output of commands: results on stdout, everything else on stderr, errors in one line."""

from __future__ import annotations

import io
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from restore.cli.flags import as_flags
from restore.errors import RestoreError, UsageError

COULD_NOT_RESTORE = 1
WRONG_USAGE = 2
INTERRUPTED = 130
SPEAK_EVERY = 5.0
"""Seconds between two lines of progress without a terminal to draw a bar on."""


@contextmanager
def complain_in_one_line() -> Iterator[None]:
    """Turn errors that a user may meet into one line on stderr and an exit code.

    ``--debug`` anywhere on the command line lets the traceback through.
    """
    for stream in (sys.stdout, sys.stderr):
        # A file name that the terminal cannot show must not turn a success into a failure.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        yield
    except SystemExit as end:
        if end.code == INTERRUPTED:  # what Typer makes of Ctrl-C, without a word
            print("interrupted", file=sys.stderr)
        raise
    except BrokenPipeError:
        # The reader of our output has gone. Redirect stdout, so that the interpreter's last flush
        # does not complain as well.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(COULD_NOT_RESTORE)
    except (RestoreError, OSError, MemoryError) as error:
        if "--debug" in sys.argv:
            raise
        message = str(error) or "not enough memory"
        print("error: " + as_flags(" ".join(message.split())), file=sys.stderr)
        sys.exit(WRONG_USAGE if isinstance(error, UsageError) else COULD_NOT_RESTORE)


def to_json(values: Any, indent: int | None = None) -> str:
    """Return JSON; numbers that JSON lacks (the PSNR of equal pictures) become null."""
    import json

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [plain(v) for v in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return json.dumps(plain(values), indent=indent, allow_nan=False)


class Reporter:
    """Output of one command: ``--json`` prints one JSON line, ``--quiet`` prints nothing."""

    def __init__(self, as_json: bool = False, quiet: bool = False):
        self.as_json = as_json
        self.quiet = quiet

    def result(self, text: str, **values: Any) -> None:
        """Print the outcome: a sentence for people, or the values for programs."""
        if self.as_json:
            print(to_json(values))
        elif not self.quiet:
            print(text)

    def note(self, text: str) -> None:
        """Print something that a person should know besides the outcome."""
        if not self.quiet:
            print(f"note: {as_flags(text)}", file=sys.stderr, flush=True)

    def progress(self, what: str, of_bytes: bool = False) -> Any:
        """Provide a callback (done, total): a bar on a terminal, lines in a pipe.

        A fraction in ``done`` belongs to the step in work.
        """
        if self.quiet:
            return nullcontext(lambda done, total: None)
        return _bar(what, of_bytes) if sys.stderr.isatty() else _lines(what, of_bytes)


@contextmanager
def _bar(what: str, of_bytes: bool) -> Iterator[Callable[[float, int | None], None]]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    of_steps = (MofNCompleteColumn(), TaskProgressColumn())
    counts = (DownloadColumn(), TransferSpeedColumn()) if of_bytes else of_steps
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        *counts,
        TimeRemainingColumn(),
    )
    display = Progress(
        *columns,
        console=Console(stderr=True),
        transient=True,
        # Slow steps have a time left too; downloads should notice a slower line.
        speed_estimate_period=30 if of_bytes else 3600,
    )
    with display:
        task = display.add_task(what, total=None)
        yield lambda done, total: display.update(task, completed=done, total=total)


@contextmanager
def _lines(what: str, of_bytes: bool) -> Iterator[Callable[[float, int | None], None]]:
    last, spoken = -1.0, time.monotonic()

    def report(done: float, total: int | None) -> None:
        # A line at every tenth; jobs of few steps speak less often, or not at all.
        nonlocal last, spoken
        tenth = done * 10 // total if total else done // 100_000_000
        few = not of_bytes and (total or 0) < 10
        if tenth == last or (few and time.monotonic() - spoken < SPEAK_EVERY):
            return
        last, spoken = tenth, time.monotonic()
        if few and total:
            print(f"{what}: {done / total:.0%}", file=sys.stderr, flush=True)
            return
        amount = f"{done / 1e6:.0f} MB" if of_bytes else str(int(done))
        whole = "" if not total else f" of {total / 1e6:.0f} MB" if of_bytes else f" of {total}"
        print(f"{what}: {amount}{whole}", file=sys.stderr, flush=True)

    yield report
