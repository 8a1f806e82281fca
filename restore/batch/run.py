"""Carrying out a plan: reading, restoring and writing at the same time, one failure at a time.

Nothing here knows of a network: ``restore`` is whatever makes a better array of an array.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from restore.batch.manifest import MARK, Manifest
from restore.batch.plan import Job
from restore.errors import ImageError, RestoreError
from restore.files import sha256_of_stream
from restore.media import image as media
from restore.media import large
from restore.media.io_options import IoOptions
from restore.media.picture import Picture
from restore.pipe import piped

DONE, SKIPPED, FAILED, STOPPED = "done", "skipped", "failed", "stopped"
Report = Callable[[int, int], None]
Restore = Callable[[np.ndarray, Report], np.ndarray]
ByRows = Callable[..., None]
"""Of pixels, ``into`` a `Sink`, with a ``progress`` that is a `Report`."""


@dataclass(frozen=True)
class Outcome:
    """What became of a job: `DONE`, `SKIPPED` with the reason, `FAILED` with the reason, or
    `STOPPED` before it was done; ``notes`` say what of it was lost, ``seconds`` how long it took to
    restore and write."""

    job: Job
    status: str
    reason: str = ""
    notes: tuple[str, ...] = ()
    megapixels: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True)
class Policy:
    """What to do where there is an output already: with ``skip_existing`` leave it, whatever it
    is; with ``overwrite`` replace what no batch has made. What a batch has made of the same input
    in the same way is never made again."""

    skip_existing: bool = False
    overwrite: bool = False


_AS_IT_IS = IoOptions()


class Interrupted(Exception):  # noqa: N818 - it is no error
    """Raised inside a picture's restoration, to drop it."""


@dataclass(frozen=True)
class _Underway:
    """A job between two stages. Where ``outcome`` is set, it has met its fate."""

    job: Job
    picture: Picture | None = None
    input_sha256: str = ""
    replaces: bool = False  # an output that stood there when the picture was read
    outcome: Outcome | None = None
    seconds: float = 0.0


def run(
    jobs: Iterable[Job],
    restore: Restore,
    manifest: Manifest,
    key: Mapping[str, Any],
    *,
    by_rows: ByRows | None = None,
    open_picture: Callable[..., Picture] = _AS_IT_IS.read,
    above: int = large.ABOVE,
    policy: Policy = Policy(),
    workers: int = 1,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[Outcome]:
    """An outcome for every job, in order, each as soon as it is known.

    While a picture is restored, the next is read by ``open_picture`` and the one before is
    written; ``workers`` pictures are restored at a time. Pictures of more than ``above`` pixels are
    restored ``by_rows`` and written meanwhile, where they can be. ``key`` holds what else than the
    input decides about a result: model and options. Once ``should_stop`` says so, pictures being
    written are finished, all others are `STOPPED`. Whatever goes wrong with a picture, errors of
    this program included, fails that picture alone; a disk that is full fails all that remain, each
    for itself.
    """

    def stage(work: Callable[[_Underway], _Underway]) -> Callable[[_Underway], _Underway]:
        return lambda underway: _guarded(work, underway)

    def stop(done: int = 0, total: int = 0) -> None:
        if should_stop():
            raise Interrupted

    def read(underway: _Underway) -> _Underway:
        stop()
        target = underway.job.target if by_rows else None
        return _read(underway, partial(open_picture, target=target), manifest, key, policy)

    def compute(underway: _Underway) -> _Underway:
        stop()
        job, picture = underway.job, underway.picture
        assert picture is not None
        job.target.parent.mkdir(parents=True, exist_ok=True)
        started = time.perf_counter()
        restored = large.through(
            picture,
            job.target,
            lambda pixels: restore(pixels, stop),
            by_rows and partial(by_rows, progress=stop),
            above=above,
            mark=MARK,
            ready=ready(underway),
        )
        seconds = time.perf_counter() - started
        if restored is None:
            return _done(underway, picture, seconds)
        return replace(underway, picture=restored, seconds=seconds)

    def write(underway: _Underway) -> _Underway:
        picture = underway.picture
        assert picture is not None
        started = time.perf_counter()
        media.write(picture, underway.job.target, mark=MARK, ready=ready(underway))
        return _done(underway, picture, underway.seconds + time.perf_counter() - started)

    def ready(underway: _Underway) -> Callable[[Path], None]:
        return partial(_ready, underway, manifest, key, policy)

    started = (_Underway(job) for job in jobs)
    opened = piped(started, stage(read), threads=1, ahead=1)
    better = piped(opened, stage(compute), threads=workers, ahead=workers)
    for underway in piped(better, stage(write), threads=1, ahead=1):
        assert underway.outcome is not None
        yield underway.outcome


def _read(
    underway: _Underway,
    open_picture: Callable[[Path, BinaryIO], Picture],
    manifest: Manifest,
    key: Mapping[str, Any],
    policy: Policy,
) -> _Underway:
    job = underway.job
    exists = os.path.lexists(job.target)
    if exists and policy.skip_existing:
        return replace(underway, outcome=Outcome(job, SKIPPED, "exists"))
    with open(job.source, "rb") as stream:
        # One opening, so that what is restored is what was hashed.
        digest = sha256_of_stream(stream)
        if exists:
            made = manifest.made(job.target)
            if made and made.key == {**key, "input_sha256": digest}:
                return replace(underway, outcome=Outcome(job, SKIPPED, "done before"))
            if made is None:  # nobody's but the user's
                media.check_target(job.target, overwrite=policy.overwrite)
        stream.seek(0)
        picture = open_picture(job.source, stream)
    picture = picture.noting(*media.check_fits(picture, job.target))
    return replace(underway, picture=picture, input_sha256=digest, replaces=exists)


def _ready(
    underway: _Underway,
    manifest: Manifest,
    key: Mapping[str, Any],
    policy: Policy,
    temporary: Path,
) -> None:
    """What is to be done when an output is complete, before it gets its name."""
    job = underway.job
    if not underway.replaces and not policy.overwrite and os.path.lexists(job.target):
        raise ImageError(f"{job.target}: has appeared meanwhile; it is left as it is")
    manifest.add(job.source, job.target, temporary, {**key, "input_sha256": underway.input_sha256})


def _done(underway: _Underway, picture: Picture, seconds: float) -> _Underway:
    height, width = picture.pixels.shape[:2]
    done = Outcome(underway.job, DONE, "", picture.notes, height * width / 1e6, seconds)
    return replace(underway, picture=None, outcome=done)


def _guarded(work: Callable[[_Underway], _Underway], underway: _Underway) -> _Underway:
    """One stage of a job that has not met its fate; what goes wrong becomes it."""
    if underway.outcome is not None:
        return underway
    job = underway.job
    try:
        return work(underway)
    except Interrupted:
        outcome = Outcome(job, STOPPED)
    except Exception as error:  # noqa: BLE001 - a night's work must not end with one picture
        outcome = Outcome(job, FAILED, _reason(error, job))
    return _Underway(job, outcome=outcome)


def _reason(error: Exception, job: Job) -> str:
    if isinstance(error, RestoreError):
        text = str(error).removeprefix(f"{job.source}: ")
    elif isinstance(error, OSError) and error.strerror:
        elsewhere = error.filename and error.filename != str(job.source)
        text = f"{error.filename}: {error.strerror}" if elsewhere else error.strerror
    elif isinstance(error, MemoryError):
        text = "not enough memory"
    else:
        text = f"{type(error).__name__}: {error}"
    return " ".join(text.split())
