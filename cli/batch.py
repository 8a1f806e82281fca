"""`restore denoise photos/ out/`: the same commands on folders, patterns and several pictures."""

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from restore.cli import waiting
from restore.cli.console import INTERRUPTED, Reporter, to_json
from restore.cli.options import given
from restore.errors import UsageError

if TYPE_CHECKING:
    from restore.jobs.executors.local import Outcome
    from restore.media.io_options import IoOptions

LOOK_EVERY = 1.0
"""Seconds between two looks at a folder that is watched: it has settled when both agree."""
SPEAK_EVERY = 5.0
"""Seconds between two lines where there is no terminal to draw a bar on."""

Recursive = Annotated[
    bool, typer.Option("--recursive", "-r", help="Folders: also those within; the tree is kept.")
]
Suffix = Annotated[str, typer.Option(help="Folders: appended to each name, before its ending.")]
Format = Annotated[
    str, typer.Option("--format", help="Folders: png, jpg, webp, tif or bmp for all.")
]
SkipExisting = Annotated[
    bool, typer.Option("--skip-existing", help="Folders: leave every output that exists.")
]
Workers = Annotated[int, typer.Option(min=1, help="Folders: pictures restored at a time.")]
FailFast = Annotated[bool, typer.Option("--fail-fast", help="Folders: stop at the first failure.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Folders: print the plan, do nothing.")]
Watch = Annotated[
    bool, typer.Option("--watch", help="Folders: wait for pictures to arrive, until Ctrl-C.")
]


@dataclass(frozen=True)
class Options:
    """What concerns folders alone."""

    recursive: bool = False
    suffix: str = ""
    format: str = ""
    skip_existing: bool = False
    workers: int = 1
    fail_fast: bool = False
    dry_run: bool = False
    watch: bool = False

    def refuse_unless_default(self) -> None:
        """Raise `UsageError` naming an option that one picture has no use for."""
        for name, value in vars(self).items():
            if value != getattr(Options, name):
                raise UsageError(f"--{name.replace('_', '-')} is for folders; IN is one file")


def restore_many(
    task: str,
    sources: list[Path],
    output: Path,
    reporter: Reporter,
    options: Options,
    choices: "IoOptions",
    overwrite: bool,
    **restorer_options: Any,
) -> None:
    """Plan, restore and say what became of it; exits with 1 where anything failed."""
    from restore.errors import ImageError
    from restore.jobs import manifest, watch
    from restore.jobs.folder_plan import Naming, clips_left_out, plan

    naming = Naming(options.suffix, options.format)

    def look() -> list[Any]:
        # Who watches a folder may begin before anything is in it.
        return plan(
            sources,
            output,
            recursive=options.recursive,
            naming=naming,
            may_be_empty=options.watch,
        )

    def look_again() -> list[Any]:
        try:
            return look()
        except ImageError as error:  # two pictures of one name, say: once they part, it goes on
            tally.complain(str(error))
            return []

    jobs = look()
    if clips := clips_left_out(sources, recursive=options.recursive):
        more = f" and {len(clips) - 1} more" if len(clips) > 1 else ""
        reporter.note(f"{clips[0]}{more}: left out; clips are restored one at a time")
    if options.dry_run:
        for job in jobs:
            reporter.result(f"{job.source} -> {job.target}", **_paths(job))
        return

    from restore import Restorer
    from restore.engine.precision import share_cores
    from restore.interrupt import deferred
    from restore.jobs.executors.local import FAILED, Policy, run
    from restore.jobs.input_sizes import sizes_of_jobs

    if options.workers > 1:
        share_cores(options.workers)
    restorer = Restorer(task, workers=options.workers, **restorer_options)
    if not options.watch:  # which does not know what will come
        sizes, times = sizes_of_jobs(jobs, overwrite)
        waiting.announce(reporter, restorer, sizes, times, options.workers)
    key = {
        "task": task,
        "model_sha256": restorer.card.sha256,
        "precision": restorer.compute.precision,
        "backend": restorer.backend.name,
        "tile": str(restorer_options["tile"]),
        "overlap": restorer_options["overlap"],
        "strength": restorer.strength,
        "ensemble": restorer.ensemble,
        **given(restorer_options, "stages", "reduce"),
        **choices.key(),
    }
    tally = Tally(len(jobs))
    with manifest.opened(output) as made, deferred(second=_end_at_once) as signalled:

        def should_stop() -> bool:
            return signalled() > 0 or (options.fail_fast and tally.count[FAILED] > 0)

        def pause() -> None:
            until = time.monotonic() + LOOK_EVERY
            while time.monotonic() < until and not should_stop():
                time.sleep(0.05)

        rounds = watch.settled(look_again, pause, should_stop) if options.watch else [jobs]
        policy = Policy(options.skip_existing, overwrite)
        with _display(task, reporter.quiet, tally) as show:
            for jobs in rounds:
                made.sweep({output, *(job.target.parent for job in jobs)})
                if options.watch:
                    tally.total = sum(tally.count.values()) + len(jobs)
                for outcome in run(
                    jobs,
                    restorer,
                    made,
                    key,
                    by_rows=restorer.by_rows,
                    open_picture=choices.read,
                    policy=policy,
                    workers=options.workers,
                    should_stop=should_stop,
                ):
                    tally.add(outcome)
                    show(outcome)
                    if options.watch and outcome.status == FAILED:  # nobody knows when it ends
                        tally.complain(_failure(outcome))
                    if reporter.as_json:
                        print(to_json(_values(outcome)), flush=True)
        interrupted = signalled()
    _conclude(tally, reporter, interrupted, options.watch)


class Tally:
    """What has become of the jobs so far."""

    def __init__(self, total: int):
        self.total = total
        self.count: Counter[str] = Counter()
        self.failures: dict[Path, Outcome] = {}
        self.notes: dict[str, list[Path]] = {}
        self._complaint = ""
        self.megapixels = 0.0
        self._began = time.monotonic()

    def add(self, outcome: "Outcome") -> None:
        self.count[outcome.status] += 1
        self.megapixels += outcome.megapixels
        for note in outcome.notes:
            self.notes.setdefault(note, []).append(outcome.job.source)
        if outcome.status == "failed":
            self.failures[outcome.job.source] = outcome
        else:
            self.failures.pop(outcome.job.source, None)  # in the end it went well

    def complain(self, text: str) -> None:
        """Say it at once, unless it was the last thing said."""
        if text != self._complaint:
            print(text, file=sys.stderr, flush=True)
        self._complaint = text

    @property
    def seen(self) -> int:
        return sum(self.count.values()) - self.count["stopped"]

    def speed(self) -> str:
        seconds = max(time.monotonic() - self._began, 1e-3)
        pictures = self.count["done"] / seconds
        return f"{pictures:.2f} pictures/s, {self.megapixels / seconds:.2f} MP/s"

    def __str__(self) -> str:
        parts = [f"{self.count[status]} {status}" for status in ("done", "skipped", "failed")]
        left = self.count["stopped"]
        return ", ".join(p for p in (*parts, f"{left} left") if not p.startswith("0 ")) or "nothing"


def _conclude(tally: Tally, reporter: Reporter, interrupted: int, watching: bool) -> None:
    if not reporter.as_json:
        reporter.result(f"{tally} ({tally.speed()})")
    for note, sources in tally.notes.items():
        more = f" and {len(sources) - 1} more" if len(sources) > 1 else ""
        reporter.note(f"{sources[0]}{more}: {note}")
    for failure in tally.failures.values():
        print(_failure(failure), file=sys.stderr)
    if interrupted and (tally.count["stopped"] or not watching):
        print("stopped: the same command goes on from there", file=sys.stderr)
    if interrupted == signal.SIGINT and not watching:
        raise typer.Exit(INTERRUPTED)
    if interrupted == signal.SIGTERM:
        raise typer.Exit(128 + signal.SIGTERM)
    if tally.failures:
        raise typer.Exit(1)


def _failure(outcome: "Outcome") -> str:
    return f"failed: {outcome.job.source}: {outcome.reason}"


def _end_at_once(number: int) -> None:
    """Without waiting for the picture that is being restored: a batch survives any end."""
    if sys.stderr.isatty():
        sys.stderr.write("\x1b[?25h")  # the cursor, which the bar has hidden
        sys.stderr.flush()
    os._exit(128 + number)


@contextmanager
def _display(task: str, quiet: bool, tally: Tally) -> Iterator[Callable[["Outcome"], None]]:
    if quiet:
        yield lambda outcome: None
    elif sys.stderr.isatty():
        with _bar(task, tally) as show:
            yield show
    else:
        yield _lines(task, tally)


def _lines(task: str, tally: Tally) -> Callable[["Outcome"], None]:
    spoken = time.monotonic()

    def show(outcome: "Outcome") -> None:
        nonlocal spoken
        if time.monotonic() - spoken >= SPEAK_EVERY:
            spoken = time.monotonic()
            text = f"{task}: {tally.seen} of {tally.total}, {outcome.job.source}, {tally.speed()}"
            print(text, file=sys.stderr, flush=True)

    return show


@contextmanager
def _bar(task: str, tally: Tally) -> Iterator[Callable[["Outcome"], None]]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    display = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}", markup=False),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        speed_estimate_period=3600,
    )
    with display:
        bar = display.add_task(task, total=tally.total, speed="")

        def show(outcome: "Outcome") -> None:
            display.update(
                bar,
                completed=tally.seen,
                total=tally.total,
                description=f"{task} {outcome.job.source.name}",
                speed=tally.speed(),
            )

        yield show


def _paths(job: Any) -> dict[str, Any]:
    return {"input": str(job.source), "output": str(job.target)}


def _values(outcome: "Outcome") -> dict[str, Any]:
    return _paths(outcome.job) | {
        "status": outcome.status,
        "reason": outcome.reason,
        "notes": outcome.notes,
        "megapixels": round(outcome.megapixels, 3),
        "seconds": round(outcome.seconds, 3),
    }
