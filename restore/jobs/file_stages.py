"""Stages of one file of a folder run: it is read, restored and written.

This module knows no network: ``better`` maps an array to a better array.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from restore.errors import ImageError, RestoreError
from restore.files import check_target, is_full_disk, sha256_of_stream
from restore.jobs.clip_work_folder import discard
from restore.jobs.file_version import settled_version, version_of
from restore.jobs.folder_plan import Job
from restore.jobs.manifest_line import ManifestLine
from restore.jobs.outcome import DISK_FULL, FAILED, SKIPPED, STOPPED, Outcome
from restore.jobs.routing import is_moving
from restore.media import image as media
from restore.media import large
from restore.media.io_options import IoOptions
from restore.media.picture import Picture
from restore.media.video.detect import is_clip

Report = Callable[[float, int], None]
Restore = Callable[[np.ndarray, Report], np.ndarray]
MovingKey = Callable[[Path], Mapping[str, Any]]
ByRows = Callable[..., None]
"""Maps pixels, ``into`` a `Sink`, with a ``progress`` that is a `Report`."""


@dataclass(frozen=True)
class OutputPolicy:
    """What to do about existing outputs. An output made from the same input in the same way is
    never made again.

    ``skip_existing``: keep every existing output.
    ``overwrite``: replace outputs that no earlier run has made.
    """

    skip_existing: bool = False
    overwrite: bool = False


@dataclass(frozen=True)
class MovingWork:
    """How clips and animations are restored.

    ``restore``: maps source and target, with ``progress``, ``overwrite``, ``mark`` and ``ready``,
    to an `Outcome`.
    ``key``: maps a source to the options that decide the result besides those of pictures.
    ``takes``: whether a source and its target are restored in this way, file to file.
    """

    restore: Callable[..., Outcome]
    key: MovingKey
    takes: Callable[[Path, Path], bool] = is_moving


@dataclass(frozen=True)
class JobCallbacks:
    """Functions that a run calls, in any thread.

    ``should_stop``: once it returns True, pictures being written are finished and all others are
    `STOPPED`.
    ``frames``: gets a job and its finished and total frames.
    ``tiles``: gets a job and the finished and total tiles of its picture.
    """

    should_stop: Callable[[], bool] = lambda: False
    frames: Callable[[Job, int, int], None] = lambda job, done, total: None
    tiles: Callable[[Job, float, int], None] = lambda job, done, total: None


class ResultRecord(Protocol):
    """The part of a `Manifest` that the stages use."""

    @property
    def mark(self) -> str: ...

    def sweep(self, folder: Path) -> None: ...

    def lines_of(self, target: Path) -> list[ManifestLine]: ...

    def add(
        self,
        source: Path,
        target: Path,
        temporary: Path,
        key: Mapping[str, Any],
        input_version: list[int] | None = None,
    ) -> object: ...


_AS_IT_IS = IoOptions()
_NO_POLICY = OutputPolicy()
_NO_CALLS = JobCallbacks()


class RunStopped(Exception):  # noqa: N818 - not an error
    """Raised inside the restoration of a file to drop it."""


@dataclass(frozen=True)
class Underway:
    """A job between two stages. It is finished once ``outcome`` is set."""

    job: Job
    picture: Picture | None = None
    moving: bool = False
    key: Mapping[str, Any] = field(default_factory=dict)
    version: list[int] | None = None  # of the input that was read
    replaces: bool = False  # an output existed when the input was read
    outcome: Outcome | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Stages:
    """The stages of a job, in this order.

    ``better``: restores the pixels of a picture.
    ``key``: everything besides the input that decides the result: the model and its options.
    ``by_rows``: restores pictures of more than ``above`` pixels, written at the same time.
    ``moving``: restores clips and animations; without it, an animation becomes one picture.
    ``open_picture``: reads a picture.
    ``full``: set once the disk is full.
    """

    better: Restore
    manifest: ResultRecord
    key: Mapping[str, Any]
    by_rows: ByRows | None = None
    moving: MovingWork | None = None
    open_picture: Callable[..., Picture] = _AS_IT_IS.read
    above: int = large.ABOVE
    policy: OutputPolicy = _NO_POLICY
    calls: JobCallbacks = _NO_CALLS
    full: threading.Event = field(default_factory=threading.Event)

    def guarded(self, work: Callable[[Underway], Underway], underway: Underway) -> Underway:
        """Run one stage of a job that is not finished; an error finishes it."""
        if underway.outcome is not None:
            return underway
        job = underway.job
        try:
            return work(underway)
        except RunStopped:
            outcome = Outcome(*_paths(job), STOPPED, DISK_FULL if self.full.is_set() else "")
        except Exception as error:  # noqa: BLE001 - one file must not end a run of a night
            outcome = self._failed(error, job)
        return Underway(job, outcome=outcome)

    def _failed(self, error: Exception, job: Job) -> Outcome:
        if not is_full_disk(error):
            return Outcome(*_paths(job), FAILED, _reason(error, job))
        if self.full.is_set():  # one file has failed of it
            return Outcome(*_paths(job), STOPPED, DISK_FULL)
        self.full.set()
        return Outcome(*_paths(job), FAILED, f"{DISK_FULL}: {_reason(error, job)}")

    def look(self, underway: Underway) -> Underway:
        """Skip a job that is done by the sizes and times of its files."""
        self._stop()
        job, moving = underway.job, self.moving
        self.manifest.sweep(job.target.parent)
        if is_unchanged(job, self.manifest, self.key, moving.key if moving else None):
            return replace(underway, outcome=done_before(job))
        return underway

    def read(self, underway: Underway) -> Underway:
        """Skip a job that is done by the bytes of its files, else read its picture, if it has
        one."""
        self._stop()
        job, moving = underway.job, self.moving
        if moving is not None and moving.takes(job.source, job.target):
            key = {**self.key, **moving.key(job.source)}
            return self._checked(replace(underway, moving=True, key=key), None)
        opened = partial(self.open_picture, target=job.target if self.by_rows else None)
        return self._checked(replace(underway, key=self.key), opened)

    def restore(self, underway: Underway) -> Underway:
        """Restore the input; a moving or large one is written as well."""
        self._stop()
        underway.job.target.parent.mkdir(parents=True, exist_ok=True)
        return self._moving(underway) if underway.moving else self._picture(underway)

    def write(self, underway: Underway) -> Underway:
        """Write a restored picture."""
        picture = underway.picture
        assert picture is not None
        started = time.perf_counter()
        media.write(
            picture, underway.job.target, mark=self.manifest.mark, ready=self._ready(underway)
        )
        return _done(underway, picture, underway.seconds + time.perf_counter() - started)

    def _stop(self) -> None:
        if self.full.is_set() or self.calls.should_stop():
            raise RunStopped

    def _checked(
        self, underway: Underway, open_picture: Callable[[Path, BinaryIO], Picture] | None
    ) -> Underway:
        job = underway.job
        exists = os.path.lexists(job.target)
        if exists and self.policy.skip_existing:
            return _skipped(underway, "exists")
        with open(job.source, "rb") as stream:
            # Opened once, so that the picture restored is the one that was hashed.
            version = settled_version(stream.fileno())
            key = {**underway.key, "input_sha256": sha256_of_stream(stream)}
            if exists:
                made = self.manifest.lines_of(job.target)
                if any(line.key == key for line in made):
                    return replace(underway, outcome=done_before(job))
                if not made:  # not made by a run of this program
                    check_target(job.target, self.policy.overwrite, ImageError)
            underway = replace(underway, key=key, version=version, replaces=exists)
            if open_picture is None:
                return underway
            stream.seek(0)
            picture = open_picture(job.source, stream)
        return replace(underway, picture=picture.noting(*media.check_fits(picture, job.target)))

    def _moving(self, underway: Underway) -> Underway:
        def report(done: int, total: int) -> None:
            self._stop()
            self.calls.frames(underway.job, done, total)

        assert self.moving is not None
        job, started = underway.job, time.perf_counter()
        outcome = self.moving.restore(
            *(job.source, job.target),
            progress=report,
            overwrite=underway.replaces or self.policy.overwrite,
            mark=self.manifest.mark,
            ready=self._ready(underway),
        )
        seconds = time.perf_counter() - started
        return replace(underway, outcome=replace(outcome, seconds=seconds))

    def _picture(self, underway: Underway) -> Underway:
        job, picture = underway.job, underway.picture
        assert picture is not None

        def report(done: float, total: int) -> None:
            self._stop()
            self.calls.tiles(job, done, total)

        started = time.perf_counter()
        restored = large.through(
            picture,
            job.target,
            lambda pixels: self.better(pixels, report),
            self.by_rows and partial(self.by_rows, progress=report),
            above=self.above,
            mark=self.manifest.mark,
            ready=self._ready(underway),
        )
        seconds = time.perf_counter() - started
        if restored is None:
            return _done(underway, picture, seconds)
        return replace(underway, picture=restored, seconds=seconds)

    def _ready(self, underway: Underway) -> Callable[[Path], None]:
        """Return what is done when an output is complete, before it gets its name."""

        def record(temporary: Path) -> None:
            job = underway.job
            expected = underway.replaces or self.policy.overwrite
            if not expected and os.path.lexists(job.target):
                raise ImageError(f"{job.target}: has appeared meanwhile; it is left as it is")
            self.manifest.add(job.source, job.target, temporary, underway.key, underway.version)

        return record


def is_unchanged(
    job: Job, manifest: ResultRecord, key: Mapping[str, Any], moving_key: MovingKey | None = None
) -> bool:
    """Return whether a job was done, and input and output have kept size and time since: the files
    are not opened."""
    made = manifest.lines_of(job.target)
    version = version_of(job.source) if made else None
    if version is None:
        return False
    keys = [dict(key)]
    if moving_key is not None:
        keys.append({**key, **moving_key(job.source)})
    return any(
        line.input_version == version
        and {name: line.key[name] for name in line.key if name != "input_sha256"} in keys
        for line in made
    )


def done_before(job: Job) -> Outcome:
    """Return the outcome of a job that needs no work."""
    if is_clip(job.source):
        discard(job.target)  # a kill may have left its segments
    return Outcome(*_paths(job), SKIPPED, "done before")


def _skipped(underway: Underway, reason: str) -> Underway:
    return replace(underway, outcome=Outcome(*_paths(underway.job), SKIPPED, reason))


def _paths(job: Job) -> tuple[Path, Path]:
    return job.source, job.target


def _done(underway: Underway, picture: Picture, seconds: float) -> Underway:
    height, width = picture.pixels.shape[:2]
    done = Outcome(
        *_paths(underway.job), notes=picture.notes, size=(height, width), seconds=seconds
    )
    return replace(underway, picture=None, outcome=done)


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
