"""Processes of the program that need not load torch first: children of one that has.

    python tests/support/ready.py

reads one request per line and answers each with the exit status. A start of ``python -m
restore.cli`` spends nine tenths of its time in loading torch. So one
process loads that, and nothing of ours, and forks for every command: each still runs in a process
of its own, imports all of ``restore``, and ends as any other.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

POSSIBLE = sys.platform == "linux"  # elsewhere libraries may not survive a fork


def run(
    arguments: Sequence[str], environment: Mapping[str, str], cwd: Path, streams: Sequence[Path]
) -> int:
    """The exit status of ``restore ARGUMENTS``, negative for a signal; ``streams`` are the files
    for its standard input, output and error."""
    request = {
        "arguments": list(arguments),
        "environment": dict(environment),
        "cwd": str(cwd),
        "streams": [str(path) for path in streams],
    }
    process = _parent()
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        print(json.dumps(request), file=process.stdin, flush=True)
        return int(process.stdout.readline())
    except BaseException:  # also pytest's timeout: the parent would wait for a lost child
        _end(process, signal.SIGKILL)
        _parent.cache_clear()
        raise


@lru_cache(maxsize=1)
def _parent() -> subprocess.Popen[str]:
    # In a session of its own, a Ctrl-C at pytest does not reach it.
    process = subprocess.Popen(
        [sys.executable, __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    atexit.register(_end, process, signal.SIGTERM)
    return process


def _end(process: subprocess.Popen[str], number: signal.Signals) -> None:
    if process.poll() is None:
        os.killpg(process.pid, number)
    process.communicate()


def _serve() -> None:
    sys.path.remove(str(Path(__file__).parent))  # which the program does not see
    import cv2  # noqa: F401
    import PIL.Image  # noqa: F401
    import torch  # noqa: F401

    gc.freeze()  # leaves the memory shared with the children
    while line := sys.stdin.readline():
        child = os.fork()
        if not child:
            _become(**json.loads(line))
            return
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _become(
    arguments: list[str], environment: dict[str, str], cwd: str, streams: list[str]
) -> None:
    for number, path in enumerate(streams):
        file = os.open(path, os.O_RDONLY if number == 0 else os.O_WRONLY)
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    sys.path.insert(0, cwd)  # as python -m has it
    sys.argv[1:] = arguments
    runpy.run_module("restore.cli", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _serve()
