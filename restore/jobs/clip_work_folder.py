"""The folder of an unfinished clip: finished segments, and the job that they belong to."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from restore.errors import ImageError
from restore.files import atomic_path, claimed
from restore.media.video import segments
from restore.media.video.ffmpeg_errors import reason

LOCK = "lock"
_JOB = "job.json"


@dataclass(frozen=True)
class ResumePolicy:
    """The treatment of an existing output and of an interrupted run.

    ``resume``: continue the interrupted run of the same job, if there is one.
    ``overwrite``: replace an output; discard an interrupted run that is not resumed.
    ``or_restart``: discard an interrupted run of another job instead of raising.
    """

    resume: bool = False
    overwrite: bool = False
    or_restart: bool = False


def work_folder(target: Path) -> Path:
    """Return the folder that stores the segments of an output until it is complete."""
    return target.with_name(f".{target.name}.restore")


@contextmanager
def claimed_folder(work: Path) -> Iterator[None]:
    """Lock the work folder for one run, and remove it afterwards if no segment is left in it.
    Raises `ImageError`."""
    with claimed(work, LOCK, ImageError):
        if not (work / LOCK).exists():  # removed by the run that held it until now
            raise ImageError(f"{work}: another run has just ended in this folder; try again")
        try:
            yield
        finally:
            if not finished_files(work):  # still locked: the next run may be waiting
                shutil.rmtree(work, ignore_errors=True)


def discard(target: Path) -> None:
    """Remove the work folder of an output, if there is one and no run holds it."""
    work = work_folder(target)
    if work.is_dir():
        try:
            with claimed_folder(work):
                clear(work)
        except ImageError:
            return  # another run continues it


def clear(work: Path) -> None:
    """Remove everything but the lock."""
    for path in work.iterdir():
        if path.name != LOCK:
            path.unlink()


def finished_files(work: Path) -> list[Path]:
    """List the files of finished segments, in order."""
    return sorted(work.glob("*.segment"))


def open_job(work: Path, target: Path, key: Mapping[str, Any], policy: ResumePolicy) -> None:
    """Compare a job with the interrupted one in the folder, or begin it.

    Args:
        key: everything that decides the result, as JSON values.

    Raises:
        ImageError: if there is an interrupted run that ``policy`` neither continues nor discards.
    """
    record = work / _JOB
    left = len(finished_files(work))
    if left and not policy.resume:
        if not policy.overwrite:
            raise ImageError(
                f"{target}: an interrupted run has left {left} finished segments in {work.name}; "
                "resume=True continues it, overwrite=True starts again"
            )
        clear(work)
    elif left:
        changed = _changed(record, key)
        if not changed:
            return
        if not policy.or_restart:
            raise ImageError(
                f"{target}: cannot be resumed: another {', '.join(changed)} than when it was "
                "begun; overwrite=True without resume=True starts again"
            )
        clear(work)
    with naming_target(target), atomic_path(record) as temporary:
        temporary.write_text(json.dumps(key, indent=1), encoding="utf-8")


def _changed(record: Path, key: Mapping[str, Any]) -> list[str]:
    try:
        before = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        before = {}
    return [name for name in key if before.get(name) != key[name]]


def segment_path(work: Path, number: int) -> Path:
    return work / f"{number:06}.segment"


def finished_segments(work: Path, with_state: bool) -> list[segments.Segment]:
    """Read the undamaged segments that follow each other from the first; ``with_state``: up to the
    last that is stored with the undamaged state of what remembers frames."""
    done: list[segments.Segment] = []
    while (path := segment_path(work, len(done))).exists():
        try:
            done.append(segments.read(path))
        except ImageError:
            break
    while with_state and done and not _has_state(done[-1]):
        done.pop()
    return done


def _has_state(segment: segments.Segment) -> bool:
    try:
        segments.load_state(state_path(segment.path))
    except ImageError:
        return False
    return True


def state_path(segment: Path) -> Path:
    """Return the path of the state of what remembers frames, after a segment."""
    return segment.with_suffix(".npz")


def count_frames(done: Sequence[segments.Segment]) -> int:
    return sum(len(segment.times) for segment in done)


@contextmanager
def naming_target(target: Path) -> Iterator[None]:
    """Turn an `OSError` into an `ImageError` that names the output."""
    try:
        yield
    except ImageError:
        raise
    except OSError as error:
        raise ImageError(f"{target}: cannot be written: {reason(error)}") from error
