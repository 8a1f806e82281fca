"""`restore denoise IN OUT` for one picture, from a file or a pipe to a file or a pipe."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restore.cli import standard_streams
from restore.cli.console import Reporter
from restore.cli.request import Request
from restore.jobs.routing import PIPE

if TYPE_CHECKING:
    from restore.jobs.outcome import Outcome
    from restore.media.io_options import IoOptions
    from restore.media.picture import Picture

    Save = Callable[[Picture], object] | None


def run(request: Request) -> None:
    """Restore the picture and print the outcome."""
    (source,), target, reporter = request.sources, request.target, request.reporter
    ending = ""
    request.clips.refuse(what=f"for clips; {source} is a picture")
    request.refuse_folder_options(but="format" if target == PIPE else "")
    if target == PIPE:
        ending = standard_streams.ending(request.given["format"])
        reporter = standard_streams.silent(reporter)
    opened, save = open_any(source, target, request.overwrite, request.pictures, reporter, ending)
    outcome = restore(opened, save, source, target, request.head, reporter, **request.restorer)
    text, values = described(outcome, request.head, request.restorer)
    reporter.result(text, **values)


def open_any(
    source: Path,
    target: Path,
    overwrite: bool,
    chosen: "IoOptions",
    reporter: Reporter,
    ending: str = "",
    by_rows: bool = True,
) -> "tuple[Picture, Save]":
    """Read a picture and state what its output loses. Returns it with the function that saves the
    result, None for a file."""
    from restore.jobs.picture_job import with_losses
    from restore.media import image as media

    to_pipe = target == PIPE
    if not to_pipe:
        media.check_target(target, overwrite)
    if source == PIPE:
        picture = standard_streams.read(chosen)
    else:
        picture = chosen.read(source, target=target if by_rows and not to_pipe else None)
    name = standard_streams.named(picture, ending) if to_pipe else target
    picture = with_losses(picture, source, name, reporter.note)
    return picture, partial(standard_streams.write, name=name) if to_pipe else None


def restore(
    picture: "Picture",
    save: "Save",
    source: Path,
    target: Path,
    head: str,
    reporter: Reporter,
    **options: Any,
) -> "Outcome":
    """Restore a picture with a progress bar; ``options`` are those of the `Restorer`."""
    from restore.jobs.picture_job import restore_picture

    with reporter.progress(f"{head} {source.name}") as progress:
        return restore_picture(
            picture,
            source,
            target,
            head,
            save=save,
            progress=progress,
            notify=None if reporter.quiet else reporter.note,
            **options,
        )


def described(outcome: "Outcome", head: str, options: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The outcome as a sentence and as values."""
    height, width = outcome.size
    text = (
        f"{outcome.source} -> {outcome.target} ({outcome.model}, {outcome.device} "
        f"{outcome.precision}, {width} x {height}, {outcome.seconds:.1f} s)"
    )
    values = {
        "input": str(outcome.source),
        "output": str(outcome.target),
        "task": head,
        "model": outcome.model,
        "device": outcome.device,
        "precision": outcome.precision,
        "backend": outcome.backend,
        "width": width,
        "height": height,
        "strength": options.get("strength", 1.0),
        "ensemble": options.get("ensemble", False),
        "seconds": round(outcome.seconds, 3),
    }
    return text, values
