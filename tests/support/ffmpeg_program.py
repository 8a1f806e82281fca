"""FFmpeg's programs: clips made, and read back, by code that is not ours."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

PICTURES = ("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25:duration=1")
SOUND = ("-f", "lavfi", "-i", "sine=frequency=440:duration=1")


def _program(name: str) -> str:
    """Return the path of a program. Skips the test where there is none, except in CI."""
    found = shutil.which(name)
    if found is None and not os.environ.get("CI"):
        pytest.skip(f"{name} is not installed")
    return found or name


def ffmpeg(*words: object) -> Path:
    """Run ``ffmpeg``; its last word is the output, which is returned."""
    command = [
        _program("ffmpeg"),
        "-v",
        "error",
        "-nostdin",
        "-y",
        "-threads",
        "1",
        *map(str, words),
    ]
    subprocess.run(command, check=True, timeout=120)
    return Path(str(words[-1]))


def ffprobe(path: Path, *words: object) -> Any:
    """Read streams and container of a clip by ``ffprobe``."""
    command = [_program("ffprobe"), "-v", "error", "-of", "json", "-show_streams", "-show_format"]
    made = subprocess.run(
        [*command, *map(str, words), str(path)], check=True, capture_output=True, timeout=120
    )
    return json.loads(made.stdout)


def shown(path: Path) -> list[float]:
    """Times of the frames that FFmpeg's player shows, in seconds."""
    words = ("-select_streams", "v:0", "-show_frames", "-show_entries", "frame=pts_time")
    return [float(frame["pts_time"]) for frame in ffprobe(path, *words)["frames"]]


def starts(path: Path) -> dict[str, float]:
    """Start of each kind of stream, in seconds."""
    return {s["codec_type"]: float(s["start_time"]) for s in ffprobe(path)["streams"]}
