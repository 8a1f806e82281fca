"""A folder, a pattern or several files into a folder of results."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restore.errors import ImageError, UsageError
from restore.jobs import arrivals, manifest
from restore.jobs.clip_options import ClipOptions
from restore.jobs.executors import LOCAL, RAY, Executor, StoppedError, opener
from restore.jobs.file_stages import JobCallbacks, OutputPolicy
from restore.jobs.folder_callbacks import FolderCallbacks
from restore.jobs.folder_options import FolderOptions
from restore.jobs.folder_plan import Job, JobTable, Naming, plan
from restore.jobs.folder_sums import FolderSums
from restore.jobs.folder_work import FolderWork, changed_options
from restore.jobs.frame_count import FrameCount
from restore.jobs.job_restorer import Notify, used
from restore.jobs.job_table import Jobs
from restore.jobs.object_store import is_remote
from restore.jobs.outcome import PLANNED, STOPPED, Outcome
from restore.jobs.result_keys import key_options
from restore.jobs.routing import is_clip_target, is_moving
from restore.jobs.shard import parse_shard
from restore.media.io_options import IoOptions

if TYPE_CHECKING:
    from restore.jobs.job_restorer import Head

PathLike = str | os.PathLike[str]
LOOK_EVERY = 1.0
"""Seconds between two looks at a watched folder: a file is complete when both agree."""


def restore_folder(
    source: PathLike | Sequence[PathLike],
    target: PathLike,
    head: Head,
    *,
    overwrite: bool = False,
    progress: Callable[[int, int], object] | None = None,
    on_outcome: Callable[[Outcome], object] | None = None,
    on_frames: Callable[[Path, int, int], None] | None = None,
    on_tiles: Callable[[Path, float, int], None] | None = None,
    on_all_frames: Callable[[int, int], object] | None = None,
    notify: Notify | None = None,
    should_stop: Callable[[], bool] | None = None,
    keep_files: bool = True,
    **options: Any,
) -> Outcome:
    """Restore every picture, animation and clip in a folder, each as `restore_file` does.

    A record in ``target`` states the input, model and options of each output: the same call again
    restores only what is missing or has changed. A file that fails does not stop the others.

    Args:
        source: a folder, a pattern such as "photos/*.jpg", a file, or several of these.
        target: the folder of results. The tree of folders is kept.
        head: a head's name, loaded with ``options`` (those of `Restorer`), or a `Restorer`.
        overwrite: replace outputs that no earlier run has made.
        progress: called with the number of finished files and of all.
        on_outcome: called with each file's outcome as soon as it is known.
        on_frames: called with a clip or an animation, its finished frames and all, in any thread.
        on_tiles: the same for a picture and its tiles, which have fractions as in `Restorer`.
        on_all_frames: called with the number of finished frames of all files and of all frames, in
            any thread. A picture is one frame; clips count by their headers until they are read.
        notify: gets the expected time of a long run, and the files passed over.
        should_stop: once it returns True, outputs being written are finished and the run ends.
        keep_files: hold an outcome for each input until the end. Without, ``files`` and
            ``passed_over`` of the result are empty, and memory does not grow with the folder.
        options: those of `FolderOptions`, of `IoOptions` (for pictures), of `ClipOptions` except
            ``fps`` and ``resume`` (for clips, which are always resumed), and of `Restorer`.

    Returns:
        An `Outcome` whose ``files`` hold one outcome for each input, unless ``keep_files`` is
        False.

    Raises:
        ImageError: before any work, if inputs are missing or outputs would collide.
        UsageError: for an option that does not exist or has no effect on these inputs.
        RestoreError: if another run uses the folder, or the model cannot be loaded.
    """
    how = FolderOptions(**_taken(FolderOptions, options))
    chosen = IoOptions(**_taken(IoOptions, options))
    moving = ClipOptions(**_taken(ClipOptions, options))
    sources = [*map(Path, [source] if isinstance(source, str | os.PathLike) else source)]
    rest = key_options(head, options)
    given = (progress, on_outcome, on_frames, on_tiles, on_all_frames, notify, should_stop)
    calls = FolderCallbacks.of(*given)
    sums = FolderSums(keep_files)
    job = _FolderRun(sources, Path(target), head, how, chosen, moving, overwrite, rest, calls, sums)
    return job.run()


def _taken(kind: type, options: dict[str, Any]) -> dict[str, Any]:
    """Remove the options of a dataclass from ``options`` and return them."""
    names = [name for name in [*options] if name in kind.__dataclass_fields__]  # type: ignore[attr-defined]
    return {name: options.pop(name) for name in names}


def _refuse_clip_name(sources: list[Path], target: Path) -> None:
    """Raise `UsageError` for an output that is named as one clip."""
    if is_clip_target(target) and not target.is_dir():
        from restore.media.video.numbering import suggested

        pattern = suggested(sources[0].parent) or "frames/%05d.png"
        raise UsageError(
            f"{target}: is the name of one clip, but there are several inputs; name a folder for "
            f"the results, or make one clip of numbered images: {pattern} {target} fps=25"
        )


@dataclass(frozen=True)
class _FolderRun:
    sources: list[Path]
    target: Path
    head: Head
    how: FolderOptions
    chosen: IoOptions
    moving: ClipOptions
    overwrite: bool
    options: dict[str, Any]
    calls: FolderCallbacks
    sums: FolderSums

    def run(self) -> Outcome:
        if not self.sources:
            raise UsageError("there are no inputs")
        if self.how.skip_existing and self.overwrite:
            raise UsageError(
                "skip_existing=True keeps what overwrite=True replaces; give one of them"
            )
        if any(map(is_remote, (*self.sources, self.target))):
            return self._run_remote()
        _refuse_clip_name(self.sources, self.target)
        if self.how.ray_address and self.how.executor != RAY:
            raise UsageError('ray_address is for executor="ray"')
        naming = Naming(self.how.suffix, self.how.format)
        jobs = self._plan(naming)
        self._refuse_useless(jobs)
        self._say_passed_over(jobs)
        if self.how.dry_run:
            return self._none_done(jobs, PLANNED)
        try:
            return self._carry_out(jobs, naming)
        except StoppedError:
            return self._none_done(jobs, STOPPED)

    def _carry_out(self, jobs: JobTable, naming: Naming) -> Outcome:
        counted = FrameCount(self.calls.on_all_frames)
        calls = replace(self.calls, should_stop=self._should_stop)
        with opener(self.how.executor)(self._work, self.how, self.sources, calls) as executor:
            if not self.how.watch:  # later files are unknown
                executor.announce(jobs)
            with manifest.opened(self.target, parse_shard(self.how.shard)) as made:
                for some in self._rounds(jobs, naming):
                    self._round(some, executor, made, counted)
            return replace(self._outcome(self.sums.status, jobs), **executor.used)

    def _none_done(self, jobs: JobTable, status: str) -> Outcome:
        for job in jobs:
            self._note(Outcome(job.source, job.target, status))
        return self._outcome(status, jobs)

    @property
    def _work(self) -> FolderWork:
        policy = OutputPolicy(self.how.skip_existing, self.overwrite)
        return FolderWork(self.head, self.options, self.chosen, self.moving, policy)

    def _run_remote(self) -> Outcome:
        from restore.jobs.remote_folder import RemoteRun, refuse_remote

        refuse_remote(self.sources, self.target, self.how)
        restorer = None
        key: dict[str, Any] = {}
        if not self.how.dry_run:
            loaded = self._work.load(self.how.workers or 1)
            restorer = loaded.restorer
            key = loaded.key | changed_options(self.moving)
        how = replace(self.how, recursive=True, shard="", skip_existing=False)

        def restore(source: Path, target: Path, on_outcome: Callable[[Outcome], object]) -> None:
            moves = any(is_moving(path, path) for path in source.rglob("*") if path.is_file())
            _FolderRun(
                *([source], target, restorer or self.head, how, self.chosen),
                *(self.moving if moves else ClipOptions(), True, self.options),
                FolderCallbacks(on_outcome=on_outcome, should_stop=self._should_stop),
                FolderSums(keeps=False),
            ).run()

        run = RemoteRun(
            *(self.sources, self.target, self.how, parse_shard(self.how.shard), self.overwrite),
            *(key, restore, self.calls.on_outcome, self.calls.progress, self._should_stop),
            self.sums,
        )
        done = run.run()
        return done if restorer is None else replace(done, **used(restorer))

    def _note(self, outcome: Outcome) -> None:
        self.sums.add(outcome)
        self.calls.on_outcome(outcome)

    def _plan(self, naming: Naming) -> JobTable:
        return plan(
            self.sources,
            self.target,
            recursive=self.how.recursive,
            naming=naming,
            may_be_empty=self.how.watch,  # files may arrive later
            shard=parse_shard(self.how.shard),
        )

    def _refuse_useless(self, jobs: JobTable) -> None:
        """Raise `UsageError` for options of clips that no input has a use for."""
        self.moving.check()
        what = "for numbered pictures, whose name is a pattern such as frames/%05d.png"
        self.moving.refuse("fps", "allow_gaps", what=what)
        names = [n for n in vars(self.moving) if n != "resume"]
        if self.how.watch or any(is_moving(job.source, job.target) for job in self._asked(jobs)):
            return
        self.moving.refuse(*names, what=f"for clips; {self.sources[0]} holds none")

    def _asked(self, jobs: JobTable) -> Iterable[Job]:
        """The jobs, if an option of clips is given: opening them all takes time."""
        return jobs if self.moving != ClipOptions() else []

    def _say_passed_over(self, jobs: JobTable) -> None:
        count = jobs.count_passed_over()
        if count and self.calls.notify is not None:
            more = f" and {count - 1} more" if count > 1 else ""
            kind = "pictures or clips" if more else "a picture or a clip"
            first = next(jobs.passed_over())
            self.calls.notify(f"{first}{more}: passed over, not {kind} by name")

    def _rounds(self, jobs: JobTable, naming: Naming) -> Iterable[Jobs]:
        if not self.how.watch:
            return [jobs]
        return arrivals.settled(self._looking(naming), self._pause, self._should_stop)

    def _looking(self, naming: Naming) -> Callable[[], Iterable[Job]]:
        said = ""

        def look() -> Iterable[Job]:
            nonlocal said
            try:
                return self._plan(naming)
            except ImageError as error:  # two pictures of one name, for instance, until one goes
                if self.calls.notify is not None and str(error) != said:
                    said = str(error)
                    self.calls.notify(said)
                return []

        return look

    def _pause(self) -> None:
        until = time.monotonic() + LOOK_EVERY
        while time.monotonic() < until and not self._should_stop():
            time.sleep(0.05)

    def _should_stop(self) -> bool:
        if self.calls.should_stop() or self.sums.why_ended():
            return True
        return self.how.fail_fast and self.sums.has_failed

    def _round(
        self,
        jobs: Jobs,
        executor: Executor,
        made: manifest.Manifest,
        counted: FrameCount,
    ) -> None:

        total = len(self.sums) + len(jobs)
        self.calls.progress(len(self.sums), total)
        counted.expect(jobs)

        def frames(job: Job, done: int, all_: int) -> None:
            counted.frames(job.source, done, all_)
            self.calls.on_frames(job.source, done, all_)

        def tiles(job: Job, done: float, all_: int) -> None:
            self.calls.on_tiles(job.source, done, all_)

        calls = JobCallbacks(self._should_stop, frames, tiles)
        for outcome in executor.run(jobs, made, calls):
            counted.finished(outcome)
            self._note(outcome)
            self.calls.progress(len(self.sums), total)

    def _outcome(self, status: str, jobs: JobTable) -> Outcome:
        kept = self.sums.kept
        if self.how.executor != LOCAL:  # others finish files in any order
            kept = sorted(kept, key=lambda outcome: outcome.source)
        return Outcome(
            self.sources[0],
            self.target,
            status,
            self.sums.why_ended(),
            seconds=self.sums.seconds,
            files=tuple(kept),
            passed_over=tuple(jobs.passed_over()) if self.sums.keeps else (),
        )
