"""Damaged files of every format: a picture or one line, never a crash, a hang, or all memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
SECONDS = float(os.environ.get("RESTORE_FUZZ_SECONDS", "10"))
"""How long to look; the same cases come first every time."""


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 280)
@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
def test_damaged_files_are_pictures_or_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "support/fuzzing.py", str(SECONDS), str(tmp_path)],
        cwd=TESTS,
        capture_output=True,
        text=True,
    )
    left = sorted(tmp_path.glob("case-*"))
    assert done.returncode == 0, f"{done.stderr[-4000:]}\nexit {done.returncode}, left {left}"
    assert done.stderr == ""  # no decoder adds to the one line
    read, refused = (int(word) for word in done.stdout.split() if word.isdigit())
    assert read > 50
    assert refused > 50
