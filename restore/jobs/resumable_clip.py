"""A clip restored in segments.

Finished segments survive an interruption, and the result is the same in one run or in several.

This module knows no network: ``restore`` maps an iterable of arrays to an iterator of arrays.
"""

from __future__ import annotations

import glob
import json
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from restore.errors import ImageError
from restore.files import atomic_path, check_target, sha256_of
from restore.jobs.clip_trial import check_tick, try_out
from restore.jobs.clip_work_folder import (
    ResumePolicy,
    claimed_folder,
    clear,
    count_frames,
    finished_segments,
    naming_target,
    open_job,
    segment_path,
    state_path,
    work_folder,
)
from restore.media.video import decode, encoders, interlacing, segments
from restore.media.video.comparison import differences
from restore.media.video.encoders import EncodeOptions, Encoding, ticks
from restore.media.video.interlacing import Deinterlacer
from restore.media.video.mux import assemble, left_out
from restore.media.video.probe import probe
from restore.media.video.rgb_frame import RgbFrame
from restore.media.video.stream import Clip
from restore.media.video.truncation import GapDetector

Restore = Callable[[Iterable[np.ndarray]], Iterator[np.ndarray]]
Report = Callable[[int, int], None]
_NO_POLICY = ResumePolicy()


class FrameMemory(Protocol):
    """State of a restoration that depends on earlier frames, as arrays by name."""

    def state(self) -> dict[str, np.ndarray]: ...

    def resume(self, state: dict[str, np.ndarray]) -> None: ...


class FrameSource(Protocol):
    """A source of frames. ``copy_others``: ``clip.path`` holds other streams to copy."""

    @property
    def clip(self) -> Clip: ...

    @property
    def copy_others(self) -> bool: ...

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on parts that are lost; complete once all frames have been read."""

    def frames(self) -> Iterator[Any]:
        """Yield every frame as an `av.VideoFrame` that no other code writes into."""

    def digest(self) -> str:
        """Return a hash of the contents."""


@dataclass(frozen=True)
class ClipFile:
    """A clip in a file."""

    clip: Clip
    deinterlacer: Deinterlacer
    copy_others: bool = True

    @property
    def notes(self) -> tuple[str, ...]:
        return interlacing.notes(self.clip, self.deinterlacer.changed)

    def frames(self) -> Iterator[Any]:
        return decode.frames(self.clip, self.deinterlacer)

    def digest(self) -> str:
        # Hashes the whole file: reading it costs little compared with restoring it.
        return sha256_of(self.clip.path)


@dataclass(frozen=True)
class RestoredClip:
    """A finished clip. ``resumed``: frames that an earlier run had finished."""

    frames: int
    resumed: int
    encoding: Encoding
    notes: tuple[str, ...]


class ClipInterrupted(KeyboardInterrupt):
    """Ctrl-C. ``kept``: frames that need not be restored again."""

    def __init__(self, kept: int):
        super().__init__()
        self.kept = kept


def write_clip(
    source: FrameSource,
    target: Path,
    encoding: Encoding,
    restore: Restore,
    key: Mapping[str, Any],
    *,
    memory: FrameMemory | None = None,
    policy: ResumePolicy = _NO_POLICY,
    progress: Report = lambda done, total: None,
    mark: str = "",
    ready: Callable[[Path], object] = lambda temporary: None,
) -> RestoredClip:
    """Restore the pictures of a clip and copy all other streams.

    The output appears complete or not at all. Finished segments stay in `work_folder` on any error.

    Args:
        restore: gets H x W x 3 float32 arrays (see `RgbFrame`) and returns as many of the same
            shape, in order; it may read ahead.
        key: everything besides the input and the encoding that decides the result: the model and
            its options.
        memory: its state is saved after each segment, before the next frame is requested.
        mark, ready: as for `atomic_path`.

    Raises:
        ImageError: if the clip cannot be read, written or resumed.
        ClipInterrupted: on Ctrl-C.
    """
    check_target(target, policy.overwrite, ImageError)
    notes = [*encoding.notes]
    if source.copy_others:
        notes += left_out(source.clip, encoding, target)
    work = work_folder(target)
    with claimed_folder(work):
        open_job(work, target, _key(source, encoding, key), policy)
        finished = finished_segments(work, memory is not None)
        if source.copy_others and not finished:
            with naming_target(target):
                try_out(source.clip, encoding, target, work)
        job = _ClipRun(source, target, encoding, work, memory, progress)
        with _stating_kept_frames(work, memory):
            made = job.run(restore, finished)
        notes += (*job.notes, *source.notes)
        own = f"{target.name}-"
        for stale in target.resolve().parent.glob(f".{glob.escape(own)}*.part"):
            stale.unlink()  # left by a run that was killed while it joined the segments
        stating = _stating_kept_frames(work, memory)
        with stating, naming_target(target), atomic_path(target, mark or own, ready) as temporary:
            assemble(source.clip, encoding, made, temporary, target, source.copy_others)
            copy_others = source.copy_others
            notes += differences(source.clip, encoding, temporary, target, made, copy_others)
        clear(work)
    notes = list(dict.fromkeys(notes))
    return RestoredClip(count_frames(made), count_frames(finished), encoding, tuple(notes))


@contextmanager
def _stating_kept_frames(work: Path, memory: FrameMemory | None) -> Iterator[None]:
    """Add the number of kept frames to errors: a slow disk looks like a damaged clip, and the next
    run may succeed."""
    try:
        yield
    except ImageError as error:
        kept = count_frames(finished_segments(work, memory is not None))
        if not kept:
            raise
        raise ImageError(
            f"{error} ({kept} frames are kept: resume=True continues from there, overwrite=True "
            "starts again)"
        ) from error
    except KeyboardInterrupt:
        kept = count_frames(finished_segments(work, memory is not None))
        raise ClipInterrupted(kept) from None


def _key(source: FrameSource, encoding: Encoding, key: Mapping[str, Any]) -> dict[str, Any]:
    import av

    how = {name: value for name, value in asdict(encoding).items() if name != "notes"}
    libraries = {name: list(version) for name, version in av.library_versions.items()}
    return {
        "input": source.digest(),
        "encoding": how | {"segment": segments.FRAMES, "interlaced": source.clip.interlaced},
        "libraries": libraries,
        **json.loads(json.dumps(dict(key))),
    }


@contextmanager
def _closed(results: Iterator[np.ndarray]) -> Iterator[Iterator[np.ndarray]]:
    """Close a generator at once, so that a thread that reads ahead for it ends now."""
    try:
        yield results
    finally:
        if isinstance(results, Generator):
            results.close()


class _ClipRun:
    def __init__(
        self,
        source: FrameSource,
        target: Path,
        encoding: Encoding,
        work: Path,
        memory: FrameMemory | None,
        report: Report,
    ):
        self.source, self.target, self.encoding, self.work = source, target, encoding, work
        self.memory, self.report = memory, report
        self.notes: list[str] = []
        self._waiting: deque[RgbFrame] = deque()  # frames being restored, in order

    def run(self, restore: Restore, finished: list[segments.Segment]) -> list[segments.Segment]:
        """Make all segments. Frames of finished ones are decoded and skipped."""
        done = list(finished)
        count = count_frames(done)
        if self.memory is not None and done:
            self.memory.resume(segments.load_state(state_path(done[-1].path)))
        total = max(self.source.clip.frames, count)
        self.report(count, total)
        with _closed(restore(self._inputs(count))) as results:
            while True:
                path = segment_path(self.work, len(done))
                with self._writer(path) as writer:
                    for result in islice(results, segments.FRAMES):
                        with naming_target(self.target):
                            writer.add(self._waiting.popleft().apply(result))
                        count += 1
                        self.report(count, max(total, count))
                    if not writer.times:
                        break
                    with naming_target(self.target):
                        if self.memory is not None:  # first: a segment without it is not used
                            segments.save_state(self.memory.state(), state_path(path))
                        writer.save()
                done.append(segments.read(path))
        if not done:
            raise ImageError(f"{self.source.clip.path}: holds no frame that can be decoded")
        return done

    def _writer(self, path: Path) -> segments.SegmentWriter:
        with naming_target(self.target):
            return segments.SegmentWriter(self.source.clip, self.encoding, path)

    def _inputs(self, passed: int) -> Iterator[np.ndarray]:
        clip, fixed = self.source.clip, self.encoding.container == "avi"
        tick = ticks(clip, self.encoding.container)
        watch = GapDetector(clip)
        first = 0
        for number, frame in enumerate(self.source.frames()):
            first = frame.pts if number == 0 else first
            if fixed:
                check_tick(clip, number, frame.pts - first, tick)
            self._notice(frame, number)
            watch.see(frame)
            if number >= passed:
                shot = RgbFrame(frame, clip.siting)
                self._waiting.append(shot)
                yield shot.rgb
        self.notes += watch.notes()

    def _notice(self, frame: Any, number: int) -> None:
        if frame.is_corrupt and not any("damaged" in note for note in self.notes):
            self.notes.append(f"frame {number} is damaged, perhaps others: restored as decoded")


def settle(
    path: Path, target: Path, wishes: EncodeOptions, deinterlace: str = "auto"
) -> tuple[ClipFile, Encoding]:
    """Return the clip at ``path`` and how to encode it for ``target``. Raises as `probe` and
    `encoders.choose` do."""
    if os.path.realpath(path) == os.path.realpath(target):
        raise ImageError(f"{target}: is the input; name another output")
    clip = probe(path, deinterlace)
    return ClipFile(clip, Deinterlacer(clip)), encoders.choose(clip, target, wishes)
