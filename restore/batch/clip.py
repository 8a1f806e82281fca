"""A clip, restored in segments: what is done stays done, and the result is the same whether it was
made at once or in several runs.

Nothing here knows of a network: ``restore`` makes an iterator of better arrays of arrays.
"""

from __future__ import annotations

import glob
import json
import os
import shutil
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from restore.errors import ImageError
from restore.files import atomic_path, check_target, claimed, sha256_of
from restore.media.video import decode, encoders, segments
from restore.media.video.comparison import differences
from restore.media.video.encoders import EncodeOptions, Encoding, ticks
from restore.media.video.ffmpeg_errors import reason
from restore.media.video.mux import assemble, left_out
from restore.media.video.probe import probe
from restore.media.video.rgb_frame import RgbFrame
from restore.media.video.stream import Clip
from restore.media.video.truncation import GapDetector

Restore = Callable[[Iterable[np.ndarray]], Iterator[np.ndarray]]
Report = Callable[[int, int], None]
LOCK = "lock"
_JOB = "job.json"


class Memory(Protocol):
    """What a restoration remembers from frame to frame, as arrays by name."""

    def state(self) -> dict[str, np.ndarray]: ...

    def resume(self, state: dict[str, np.ndarray]) -> None: ...


class Source(Protocol):
    """Where frames come from; ``beside``: whether ``clip.path`` holds more than pictures."""

    @property
    def clip(self) -> Clip: ...

    @property
    def beside(self) -> bool: ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What of it is lost; known once its frames have been read."""

    def frames(self) -> Iterator[Any]:
        """Every frame, as `av.VideoFrame` that nobody else writes into."""

    def digest(self) -> str:
        """Equal for equal contents alone."""


@dataclass(frozen=True)
class File:
    """A clip in a file."""

    clip: Clip
    beside: bool = True
    notes: tuple[str, ...] = ()

    def frames(self) -> Iterator[Any]:
        return decode.frames(self.clip)

    def digest(self) -> str:
        # All of it: to read a clip takes nothing beside restoring it.
        return sha256_of(self.clip.path)


@dataclass(frozen=True)
class Made:
    """What became of a clip; ``resumed`` is the number of frames that were there already."""

    frames: int
    resumed: int
    encoding: Encoding
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Policy:
    """``resume``: go on where a run of the same job was interrupted, if one was; ``overwrite``:
    replace an output, and forget an interrupted run that is not resumed."""

    resume: bool = False
    overwrite: bool = False


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, with the number of frames that need not be restored again."""

    def __init__(self, kept: int):
        super().__init__()
        self.kept = kept


def work_folder(target: Path) -> Path:
    """Where the segments of an output are kept until it is complete."""
    return target.with_name(f".{target.name}.restore")


def restore_clip(
    source: Source,
    target: Path,
    encoding: Encoding,
    restore: Restore,
    key: Mapping[str, Any],
    *,
    memory: Memory | None = None,
    policy: Policy = Policy(),
    progress: Report = lambda done, total: None,
) -> Made:
    """Restore the pictures of a clip; everything else is copied.

    ``restore`` gets H x W x 3 float32 arrays (see `RgbFrame`) and returns as many, of the same
    shape, in the same order; it may read ahead. ``key`` holds what else than the input and the
    encoding decides about the result: model and options. ``memory`` is what it remembers: taken
    down after each segment, before the next frame is asked for.

    Raises `ImageError` for a clip that cannot be read, written or resumed, whatever ``restore``
    raises, and `Interrupted` for Ctrl-C. The output appears whole or not at all; segments that are
    finished stay in `work_folder`, whatever happens.
    """
    check_target(target, policy.overwrite, ImageError)
    notes = [*encoding.notes]
    if source.beside:
        notes += left_out(source.clip, encoding.container, target)
    work = work_folder(target)
    with _claimed(work):
        _open_job(work, target, _key(source, encoding, key), policy)
        finished = _finished(work, memory)
        job = _Job(source, target, encoding, work, memory, progress)
        with _saying_what_is_kept(work, memory):
            made = job.run(restore, finished)
        notes += (*job.notes, *source.notes)
        mark = f"{target.name}-"
        for stale in target.resolve().parent.glob(f".{glob.escape(mark)}*.part"):
            stale.unlink()  # of a run that was killed while it put the clip together
        saying = _saying_what_is_kept(work, memory)
        with saying, _space(target), atomic_path(target, mark) as temporary:
            assemble(source.clip, encoding, made, temporary, target, source.beside)
            notes += differences(source.clip, temporary, target, made, source.beside)
        _forget(work)
    return Made(_frames(made), _frames(finished), encoding, tuple(dict.fromkeys(notes)))


@contextmanager
def _saying_what_is_kept(work: Path, memory: Memory | None) -> Iterator[None]:
    """Nobody can tell a disk that is slow to answer from a clip that is damaged for ever: what is
    done stays, and whoever reads the error learns of it."""
    try:
        yield
    except ImageError as error:
        kept = _frames(_finished(work, memory))
        if not kept:
            raise
        raise ImageError(
            f"{error} ({kept} frames are kept: --resume goes on from there, --overwrite begins "
            "anew)"
        ) from error
    except KeyboardInterrupt:
        raise Interrupted(_frames(_finished(work, memory))) from None


@contextmanager
def _space(target: Path) -> Iterator[None]:
    try:
        yield
    except ImageError:
        raise
    except OSError as error:
        raise ImageError(f"{target}: cannot be written: {reason(error)}") from error


@contextmanager
def _claimed(work: Path) -> Iterator[None]:
    """The work folder, for one run at a time; gone afterwards where nothing is left in it."""
    with claimed(work, LOCK, ImageError):
        if not (work / LOCK).exists():  # whoever held it until now has taken it away
            raise ImageError(f"{work}: another run has just ended in this folder; try again")
        try:
            yield
        finally:
            if not _left(work):  # while it is ours: the next run may be waiting
                shutil.rmtree(work, ignore_errors=True)


def _left(work: Path) -> list[Path]:
    """What an interrupted run has left: a job that has no finished segment is nothing."""
    return sorted(work.glob("*.segment"))


def _forget(work: Path) -> None:
    for path in work.iterdir():
        if path.name != LOCK:
            path.unlink()


def _key(source: Source, encoding: Encoding, key: Mapping[str, Any]) -> dict[str, Any]:
    import av

    how = {name: value for name, value in asdict(encoding).items() if name != "notes"}
    libraries = {name: list(version) for name, version in av.library_versions.items()}
    return {
        "input": source.digest(),
        "encoding": how | {"segment": segments.FRAMES},
        "libraries": libraries,
        **json.loads(json.dumps(dict(key))),
    }


def _open_job(work: Path, target: Path, key: dict[str, Any], policy: Policy) -> None:
    """Compare with what an interrupted run has left, or begin."""
    record = work / _JOB
    left = len(_left(work))
    if left and not policy.resume:
        if not policy.overwrite:
            raise ImageError(
                f"{target}: an interrupted run has left {left} finished segments in {work.name}; "
                "--resume goes on, --overwrite begins anew"
            )
        _forget(work)
    elif left:
        try:
            before = json.loads(record.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            before = {}
        changed = [name for name in key if before.get(name) != key[name]]
        if changed:
            raise ImageError(
                f"{target}: cannot be resumed: another {', '.join(changed)} than when it was "
                "begun; --overwrite without --resume begins anew"
            )
        return
    with _space(target), atomic_path(record) as temporary:
        temporary.write_text(json.dumps(key, indent=1), encoding="utf-8")


def _segment(work: Path, number: int) -> Path:
    return work / f"{number:06}.segment"


def _frames(done: Sequence[segments.Segment]) -> int:
    return sum(len(segment.times) for segment in done)


def _finished(work: Path, memory: Memory | None) -> list[segments.Segment]:
    """The segments that stand one behind the other from the first one, undamaged."""
    done: list[segments.Segment] = []
    while (path := _segment(work, len(done))).exists():
        if memory is not None and not path.with_suffix(".npz").exists():
            break
        try:
            done.append(segments.read(path))
        except ImageError:
            break
    return done


@contextmanager
def _closed(results: Iterator[np.ndarray]) -> Iterator[Iterator[np.ndarray]]:
    """What reads ahead in a thread ends at once when it is closed, and not at some time later."""
    try:
        yield results
    finally:
        if isinstance(results, Generator):
            results.close()


class _Job:
    def __init__(
        self,
        source: Source,
        target: Path,
        encoding: Encoding,
        work: Path,
        memory: Memory | None,
        report: Report,
    ):
        self.source, self.target, self.encoding, self.work = source, target, encoding, work
        self.memory, self.report = memory, report
        self.notes: list[str] = []
        self._waiting: deque[RgbFrame] = deque()  # what is being restored, in order

    def run(self, restore: Restore, finished: list[segments.Segment]) -> list[segments.Segment]:
        """All segments. Of those that are finished the frames are decoded and passed by."""
        done = list(finished)
        count = _frames(done)
        if self.memory is not None and done:
            self.memory.resume(segments.load_state(done[-1].path.with_suffix(".npz")))
        total = max(self.source.clip.frames, count)
        self.report(count, total)
        with _closed(restore(self._inputs(count))) as results:
            while True:
                path = _segment(self.work, len(done))
                with self._writer(path) as writer:
                    for result in islice(results, segments.FRAMES):
                        with _space(self.target):
                            writer.add(self._waiting.popleft().apply(result))
                        count += 1
                        self.report(count, max(total, count))
                    if not writer.times:
                        break
                    with _space(self.target):
                        if self.memory is not None:  # first: where a segment is, there are both
                            segments.save_state(self.memory.state(), path.with_suffix(".npz"))
                        writer.save()
                done.append(segments.read(path))
        if not done:
            raise ImageError(f"{self.source.clip.path}: holds no frame that can be decoded")
        return done

    def _writer(self, path: Path) -> segments.SegmentWriter:
        with _space(self.target):
            return segments.SegmentWriter(self.source.clip, self.encoding, path)

    def _inputs(self, passed: int) -> Iterator[np.ndarray]:
        clip, fixed = self.source.clip, self.encoding.container == "avi"
        tick = ticks(clip, self.encoding.container)
        watch = GapDetector(clip)
        for number, frame in enumerate(self.source.frames()):
            if fixed and (frame.pts * clip.time_base / tick).denominator > 1:
                raise ImageError(
                    f"{clip.path}: frame {number} does not keep to {float(clip.rate):g} frames a "
                    "second, and .avi has no other times; use .mkv or .mp4"
                )
            self._notice(frame, number)
            watch.see(frame)
            if number >= passed:
                shot = RgbFrame(frame)
                self._waiting.append(shot)
                yield shot.rgb
        self.notes += watch.notes()

    def _notice(self, frame: Any, number: int) -> None:
        for what in ("interlaced", "damaged"):
            says = frame.interlaced_frame if what == "interlaced" else frame.is_corrupt
            if says and not any(what in note for note in self.notes):
                self.notes.append(f"frame {number} is {what}, perhaps others: restored as decoded")


def settle(path: Path, target: Path, wishes: EncodeOptions) -> tuple[File, Encoding]:
    """The clip at ``path`` and how it is encoded for ``target``. Raises as `probe` and
    `encoders.choose` do."""
    if os.path.realpath(path) == os.path.realpath(target):
        raise ImageError(f"{target}: is the input; name another output")
    clip = probe(path)
    return File(clip), encoders.choose(clip, target, wishes)
