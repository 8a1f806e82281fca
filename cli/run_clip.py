"""`restore denoise clip.mp4 out.mp4`: clips, numbered pictures, animations."""

import sys
from typing import TYPE_CHECKING, Any

import typer

from restore.cli.console import INTERRUPTED
from restore.cli.request import Request

if TYPE_CHECKING:
    from restore.jobs.outcome import Outcome


def run(request: Request) -> None:
    """Restore the clip and print the outcome."""
    from restore.jobs.clip_job import restore_clip
    from restore.jobs.file_job import refuse_picture_options
    from restore.jobs.resumable_clip import ClipInterrupted

    (source,), reporter = request.sources, request.reporter
    request.refuse_folder_options()
    refuse_picture_options(request.pictures, source)
    try:
        with reporter.progress(f"{request.head} {source.name}") as progress:
            outcome = restore_clip(
                source,
                request.target,
                request.head,
                overwrite=request.overwrite,
                progress=progress,
                notify=None if reporter.quiet else reporter.note,
                **vars(request.clips),
                **request.restorer,
            )
    except ClipInterrupted as interrupted:
        if interrupted.kept:  # otherwise the message of every interrupted command suffices
            print(
                f"stopped: {interrupted.kept} frames are kept; --resume goes on from there",
                file=sys.stderr,
            )
        raise typer.Exit(INTERRUPTED) from None
    for note in outcome.notes:
        reporter.note(note)
    reporter.result(_text(outcome), **_values(outcome, request))


def _text(outcome: "Outcome") -> str:
    new = outcome.frames - outcome.resumed if outcome.encoding else outcome.frames
    return (
        f"{outcome.source} -> {outcome.target} ({outcome.model}, {outcome.device} "
        f"{outcome.precision}, {outcome.frames} frames, {outcome.seconds:.1f} s, "
        f"{new / max(outcome.seconds, 1e-3):.2f} frames/s)"
    )


def _values(outcome: "Outcome", request: Request) -> dict[str, Any]:
    values = {
        "input": str(outcome.source),
        "output": str(outcome.target),
        "task": request.head,
        "model": outcome.model,
        "device": outcome.device,
        "precision": outcome.precision,
        "backend": outcome.backend,
        "strength": request.restorer["strength"],
        "ensemble": request.restorer["ensemble"],
        "temporal": request.clips.temporal,
        "frames": outcome.frames,
        "seconds": round(outcome.seconds, 3),
        "notes": list(outcome.notes),
        "resumed": outcome.resumed,
        **outcome.encoding,
    }
    if outcome.encoding:
        values |= {"width": outcome.size[1], "height": outcome.size[0]}
    return values
