"""Running the real program."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import ready


@dataclass(frozen=True)
class CommandResult:
    code: int
    stdout: str
    stderr: str


def restore(
    *arguments: object,
    home: Path | None = None,
    cwd: Path | None = None,
    fresh: bool = False,
    **variables: str,
) -> CommandResult:
    """``restore ARGUMENTS`` in a process of its own; ``home`` is its cache folder.

    ``fresh`` starts Python itself too, for what only a start from nothing shows.
    """
    words = [str(argument) for argument in arguments]
    environment = os.environ | variables | {"COLUMNS": "200", "NO_COLOR": "1"}
    environment["RESTORE_HOME"] = str(home or Path(tempfile.gettempdir()) / "no-restore-home")
    if fresh or not ready.POSSIBLE:
        done = subprocess.run(
            [sys.executable, "-m", "restore.cli", *words],
            capture_output=True,
            text=True,
            env=environment,
            cwd=cwd,
            timeout=240,
        )
        return CommandResult(done.returncode, done.stdout, done.stderr)
    with tempfile.TemporaryDirectory() as folder:
        stdout, stderr = Path(folder) / "stdout", Path(folder) / "stderr"
        stdout.touch()
        stderr.touch()
        streams = (Path(os.devnull), stdout, stderr)
        code = ready.run(words, environment, cwd or Path.cwd(), streams)
        return CommandResult(
            code, stdout.read_text(encoding="utf-8"), stderr.read_text(encoding="utf-8")
        )


def one_error_line(outcome: CommandResult, code: int = 1) -> str:
    """The one line on stderr of a command that failed as it should."""
    assert outcome.code == code, outcome
    lines = outcome.stderr.strip().splitlines()
    assert len(lines) == 1, outcome.stderr
    assert lines[0].startswith("error: ")
    return lines[0]
