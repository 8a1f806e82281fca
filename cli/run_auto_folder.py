"""`restore auto photos/ out/`: the pictures of folders, patterns and several files."""

from pathlib import Path
from typing import TYPE_CHECKING

from restore.cli import auto_output, run_folder
from restore.cli.console import Reporter
from restore.cli.folder_display import displayed
from restore.cli.tally import Tally

if TYPE_CHECKING:
    from restore.automatic import AutoRestorer
    from restore.jobs.outcome import Outcome
    from restore.media.io_options import IoOptions


def run(
    sources: list[Path],
    target: Path,
    restorer: "AutoRestorer",
    chosen: "IoOptions",
    recursive: bool,
    overwrite: bool,
    dry_run: bool,
    reporter: Reporter,
) -> None:
    """Restore all pictures and print what became of them; exit with 1 if any failed."""
    from restore.interrupt import deferred
    from restore.jobs.auto_folder import auto_folder
    from restore.jobs.auto_job import AutoOutcome

    if dry_run:
        _print_plans(sources, target, restorer, chosen, recursive, reporter)
        return
    tally = Tally()
    with (
        deferred(second=run_folder.end_at_once) as signalled,
        displayed("auto", reporter.quiet, tally) as display,
    ):

        def add(outcome: "Outcome") -> None:
            tally.add(outcome)
            display.outcome(outcome)
            if isinstance(outcome, AutoOutcome):
                auto_output.print_outcome(outcome, reporter)
            elif reporter.as_json:
                run_folder.print_values(outcome)

        def set_total(done: int, total: int) -> None:
            tally.total = total

        auto_folder(
            *(sources, target),
            restorer=restorer,
            recursive=recursive,
            overwrite=overwrite,
            progress=set_total,
            on_outcome=add,
            on_tiles=display.tiles,
            notify=None if reporter.quiet else reporter.note,
            should_stop=lambda: signalled() > 0,
            **vars(chosen),
        )
        interrupted = signalled()
    run_folder.conclude(tally, reporter, interrupted)


def _print_plans(
    sources: list[Path],
    target: Path,
    restorer: "AutoRestorer",
    chosen: "IoOptions",
    recursive: bool,
    reporter: Reporter,
) -> None:
    from restore.jobs.auto_job import is_moving_source, plan_picture
    from restore.jobs.folder_plan import plan

    for job in plan(sources, target, recursive=recursive):
        if is_moving_source(job.source):
            reporter.note(f"{job.source}: a clip or an animation; would be skipped")
        else:
            planned = plan_picture(chosen.read(job.source), restorer)
            auto_output.print_plan(planned, job.source, reporter)
