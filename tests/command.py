"""Running the real program."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Outcome:
    code: int
    stdout: str
    stderr: str


def restore(
    *arguments: object, home: Path | None = None, cwd: Path | None = None, **variables: str
) -> Outcome:
    """``restore ARGUMENTS`` in a process of its own; ``home`` is its cache folder."""
    environment = os.environ | variables | {"COLUMNS": "200", "NO_COLOR": "1"}
    environment["RESTORE_HOME"] = str(home or Path(tempfile.gettempdir()) / "no-restore-home")
    done = subprocess.run(
        [sys.executable, "-m", "restore.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment,
        cwd=cwd,
        timeout=240,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def one_error_line(outcome: Outcome, code: int = 1) -> str:
    """The one line on stderr of a command that failed as it should."""
    assert outcome.code == code, outcome
    lines = outcome.stderr.strip().splitlines()
    assert len(lines) == 1, outcome.stderr
    assert lines[0].startswith("error: ")
    return lines[0]
