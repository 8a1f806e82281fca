"""Encoders compute like any other thread."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import pytest

from restore.media.video.scheduling import opened

ENCODE = """
import os, sys
from av import CodecContext
from fractions import Fraction
from restore.media.video.scheduling import opened
context = CodecContext.create(sys.argv[1], "w")
context.width = context.height = 64
context.pix_fmt, context.framerate, context.time_base = "yuv420p", Fraction(25), Fraction(1, 25)
opened(context)
for thread in os.listdir("/proc/self/task"):
    print(os.sched_getscheduler(int(thread)))
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux's list of threads")
@pytest.mark.parametrize("encoder", ["libsvtav1", "libx264"])
def test_no_thread_becomes_a_real_time_one(encoder: str) -> None:
    """SVT-AV1 as root gave all its threads the highest priority there is."""
    if encoder not in av.codecs_available:
        pytest.skip(f"this FFmpeg lacks {encoder}")
    command = [sys.executable, "-c", ENCODE, encoder]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {str(os.SCHED_OTHER)}


def test_the_encoder_is_open() -> None:
    context = av.CodecContext.create("mpeg4", "w")
    context.width = context.height = 64
    context.pix_fmt, context.framerate = "yuv420p", Fraction(25)
    context.time_base = Fraction(1, 25)
    assert opened(context).is_open
