"""One uploaded file on its way to a result."""

from __future__ import annotations

import shutil
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from restore.checkpoints import store
from restore.errors import ImageError, UsageError
from restore.media import formats
from restore.media.io_options import IoOptions
from restore.media.video import detect

WAITING, RUNNING, DONE, FAILED, CANCELLED = "waiting", "running", "done", "failed", "cancelled"
FINISHED = (DONE, FAILED, CANCELLED)
_SNIFFED = 64


@dataclass(frozen=True)
class Wish:
    """The options of one request. Raises `UsageError` for a value that does not exist."""

    head: str
    quality: str | None = None
    """"fast", "standard" or "best"."""
    strength: float = 1.0
    """From 0 to 1."""
    format: str = ""
    """Ending of the output, such as "png"; empty keeps the input's."""
    bit_depth: str = ""
    """"8", "16" or "32f"; empty keeps the input's."""
    encode_quality: int | None = None
    """1 to 100, for lossy formats; None keeps the input's."""
    folder: str = ""
    """Folder of the result in archives and the server's output, such as ``photos/2020``; see
    `uploads.safe_folder`."""

    def __post_init__(self) -> None:
        store.check_task(self.head)
        if not 0 <= self.strength <= 1:
            raise UsageError(f"strength is {self.strength:g}; it must be between 0 and 1")
        IoOptions(self.bit_depth, self.encode_quality)
        if self.format and f".{self.format}" not in detect.CONTAINERS:
            formats.checked_ending(self.format)

    @property
    def for_pictures(self) -> dict[str, Any]:
        """Options that only a picture has a use for, where they are given."""
        own = {"bit_depth": self.bit_depth, "encode_quality": self.encode_quality}
        return {name: value for name, value in own.items() if value}


@dataclass
class ServedJob:
    """An upload, its options, its state and its result."""

    folder: Path
    """Belongs to the job alone; its name is the job's identity."""
    name: str
    """Name of the uploaded file, for people."""
    source: Path
    wish: Wish
    state: str = WAITING
    error: str = ""
    """Why it failed, in one line."""
    status: int = 200
    """HTTP status of that failure, see `limits.status_of`."""
    done: float = 0
    """Finished tiles, with a fraction within a tile, or frames of a clip."""
    total: int = 0
    """All of them; 0 until it is known."""
    message: str = ""
    """The expected time of a long run."""
    began: float = 0.0
    """Time at which the work began, on the monotonic clock."""
    facts: dict[str, Any] = field(default_factory=dict)
    """Of a result: model, notes, width, height, seconds, bytes."""
    stop: threading.Event = field(default_factory=threading.Event)
    """Set to have the work end at the next layer of the network."""
    ended: float = 0.0
    """Time on the monotonic clock."""

    @property
    def id(self) -> str:
        """32 hexadecimal digits, which cannot be guessed."""
        return self.folder.name

    @property
    def target(self) -> Path:
        """File of the result."""
        own = self.source.suffix
        return self.folder / f"result{f'.{self.wish.format}' if self.wish.format else own}"

    @property
    def result_name(self) -> str:
        """Name of the result, for people: ``cat.tif`` becomes ``cat-denoise.tif``."""
        return f"{Path(self.name).stem}-{self.wish.head}{self.target.suffix}"

    @property
    def result_path(self) -> PurePosixPath:
        """Name of the result with its folder, relative."""
        return PurePosixPath(self.wish.folder, self.result_name)

    @property
    def is_moving(self) -> bool:
        """Whether it is a clip or an animation."""
        from restore.jobs.routing import is_clip_run

        return is_clip_run([self.source], self.target)

    @property
    def size(self) -> int:
        """Bytes on the disk. A file that vanishes meanwhile, such as a temporary one, has none."""
        return sum(_size(file) for file in self.folder.glob("*"))

    def begin(self) -> None:
        """Store the beginning of the work."""
        self.began = time.monotonic()
        self.state = RUNNING

    def finish(self, state: str, error: str = "", status: int = 200) -> None:
        """Store the end of the work; ``status`` is the HTTP status of a failure."""
        self.error, self.status, self.ended = error, status, time.monotonic()
        self.state = state

    def remove(self) -> None:
        """Remove its files."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def described(self, position: int = 0) -> dict[str, Any]:
        """Return its state for JSON. ``position``: number of jobs before it in the queue."""
        wish = self.wish
        return {
            "id": self.id,
            "name": self.name,
            "result_name": self.result_name,
            "folder": wish.folder,
            "head": wish.head,
            "quality": wish.quality or "standard",
            "strength": wish.strength,
            "state": self.state,
            "position": position,
            "done": round(self.done, 3),
            "total": self.total,
            "elapsed": int(time.monotonic() - self.began) if self.state == RUNNING else 0,
            "message": self.message,
            "error": self.error,
            **self.facts,
        }


def ending_of(name: str, content: bytes) -> str:
    """Return the ending under which an upload is stored: that of its name, or, where that says
    nothing, one of the format that its first bytes show; empty if neither is known."""
    own = Path(name).suffix.lower()
    if own in formats.SUFFIXES or own in detect.READABLE:
        return own
    format_ = formats.recognised(content, "")
    return format_.suffixes[0] if format_ is not None else ""


def check_upload(source: Path, pixels: int, moving: bool) -> None:
    """Raise `ImageError` for an upload that must not be opened: a list of other files, or a clip of
    more than ``pixels`` a frame."""
    with open(source, "rb") as file:
        first = file.read(_SNIFFED)
    if not first:
        raise ImageError(f"{source}: is empty")
    if not source.suffix:
        raise ImageError(f"{source}: is neither a picture nor a clip of a known format")
    if not moving:
        return
    # FFmpeg recognises playlists under any name and would open the files that they list.
    if detect.is_clip(source) and is_text(first):
        raise ImageError(f"{source}: is not a clip")
    height, width = _frame(source)
    if height * width > pixels:
        raise ImageError(
            f"{source}: has {width} x {height} pixels a frame, more than the {pixels:,} that this "
            "server accepts"
        )


def is_text(first: bytes) -> bool:
    """Whether a clip's first bytes are text, as those of playlists (HLS, DASH, concat) must be.

    Containers have control characters in their first 16 bytes, except for YUV4MPEG2 and, depending
    on its size, AVI.
    """
    start = first[:16]
    if start.startswith((b"YUV4MPEG2", b"RIFF")):
        return False
    return all(byte >= 0x20 or byte in b"\t\r\n" for byte in start)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _frame(source: Path) -> tuple[int, int]:
    from restore.jobs.input_sizes import size_and_count
    from restore.media.video.probe import probe

    if detect.is_clip(source):
        return probe(source).size
    known = size_and_count(source)
    return known[0] if known else (0, 0)
