"""`restore denoise photos/ out/`: folders, patterns and several files."""

import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import typer

from restore.cli.console import INTERRUPTED, Reporter, to_json
from restore.cli.flags import as_flags
from restore.cli.folder_display import displayed
from restore.cli.request import Request
from restore.cli.tally import Tally, print_failure

if TYPE_CHECKING:
    from restore.cli.folder_display import FolderDisplay
    from restore.jobs.outcome import Outcome


def run(request: Request) -> None:
    """Restore all files and print what became of them; exit with 1 if any failed."""
    from restore.interrupt import deferred
    from restore.jobs.folder_job import restore_folder

    watching, reporter = request.folders["watch"], request.reporter
    tally = Tally()
    if request.report is not None:
        from restore.compare.page import check_page

        check_page(request.report, request.overwrite, request.target)
    options = {**request.folders, **vars(request.pictures), **vars(request.clips)}
    with (
        deferred(second=end_at_once) as signalled,
        displayed(request.head, reporter.quiet, tally) as display,
    ):
        calls = _callbacks(tally, display, reporter, watching)
        if request.devices > 1 and not request.folders["dry_run"]:
            from restore.cli import several

            several.run(request, options, calls, tally, signalled)
            done = None
        else:
            done = restore_folder(
                request.sources,
                request.target,
                request.head,
                overwrite=request.overwrite,
                **calls,
                should_stop=lambda: signalled() > 0,
                keep_files=request.report is not None,
                **options,
                **request.restorer,
            )
        interrupted = signalled()
    if request.folders["dry_run"]:
        return
    if done is not None and done.reason:
        reporter.note(done.reason)
    if done is not None and request.report is not None:
        _write_report(request, done)
    conclude(tally, reporter, interrupted, watching)


def _write_report(request: Request, done: "Outcome") -> None:
    from restore.compare.folder_report import summary, write_report

    assert request.report is not None
    with request.reporter.progress("Report") as progress:
        entries = write_report(
            request.report, request.head, done.files, request.overwrite, progress
        )
    request.reporter.note(f"{request.report}: {summary(entries)}")


def _callbacks(
    tally: Tally,
    display: "FolderDisplay",
    reporter: Reporter,
    watching: bool,
) -> dict[str, Any]:
    def add(outcome: "Outcome") -> None:
        if outcome.status == "planned":
            reporter.result(f"{outcome.source} -> {outcome.target}", **_paths(outcome))
            return
        tally.add(outcome)
        display.outcome(outcome)
        if watching and outcome.status == "failed":  # at once: the end may be far
            print_failure(outcome)
        if reporter.as_json:
            print_values(outcome)

    def set_total(done: int, total: int) -> None:
        tally.total = total

    return {
        "on_outcome": add,
        "progress": set_total,
        "on_frames": display.frames,
        "on_tiles": display.tiles,
        "on_all_frames": tally.all_frames,
        "notify": None if reporter.quiet else reporter.note,
    }


def print_values(outcome: "Outcome") -> None:
    """Print an outcome as JSON."""
    print(to_json(_values(outcome)), flush=True)


def conclude(tally: Tally, reporter: Reporter, interrupted: int, watching: bool = False) -> None:
    """Print counts, notes and failures; exit with 1 if a file failed, or by the signal's code."""
    if not reporter.as_json:
        reporter.result(f"{tally} ({tally.speed()})")
    for note in tally.say_notes():
        reporter.note(note)
    for failure in tally.failures.values():
        print_failure(failure)
    if interrupted and (tally.count["stopped"] or not watching):
        print("stopped: the same command goes on from there", file=sys.stderr)
    if interrupted == signal.SIGINT and not watching:
        raise typer.Exit(INTERRUPTED)
    if interrupted == signal.SIGTERM:
        raise typer.Exit(128 + signal.SIGTERM)
    if tally.failures:
        raise typer.Exit(1)


def end_at_once(number: int) -> None:
    """End without waiting for the picture being restored: a folder run survives any end."""
    if sys.stderr.isatty():
        sys.stderr.write("\x1b[?25h")  # the cursor, which the bar has hidden
        sys.stderr.flush()
    os._exit(128 + number)


def _paths(outcome: "Outcome") -> dict[str, Any]:
    return {"input": str(outcome.source), "output": str(outcome.target)}


def _values(outcome: "Outcome") -> dict[str, Any]:
    return _paths(outcome) | {
        "status": outcome.status,
        "reason": as_flags(outcome.reason),
        "notes": outcome.notes,
        "megapixels": round(outcome.megapixels, 3),
        "seconds": round(outcome.seconds, 3),
    }
