"""FFmpeg's programs: clips made, and read back, by code that is not ours."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

PICTURES = ("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25:duration=1")
SOUND = ("-f", "lavfi", "-i", "sine=frequency=440:duration=1")


def ffmpeg(*words: object) -> Path:
    """Run ``ffmpeg``; its last word is the output, which is returned. Skips where there is none."""
    program = shutil.which("ffmpeg")
    if program is None:
        pytest.skip("ffmpeg is not installed")
    command = [program, "-v", "error", "-nostdin", "-y", "-threads", "1", *map(str, words)]
    subprocess.run(command, check=True, timeout=120)
    return Path(str(words[-1]))


def ffprobe(path: Path, *words: object) -> Any:
    """Read streams and container of a clip by ``ffprobe``."""
    program = shutil.which("ffprobe")
    if program is None:
        pytest.skip("ffprobe is not installed")
    command = [program, "-v", "error", "-of", "json", "-show_streams", "-show_format"]
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
