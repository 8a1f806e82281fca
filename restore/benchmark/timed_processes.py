"""Processes for timing: one for each setting, and others that keep CPUs busy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

from restore.benchmark.footprint import PEAK
from restore.checkpoints import store
from restore.errors import RestoreError, reason_of

HERE = "this"
_WORKER = f"""{PEAK}
import json, time
wanted, folder = json.loads(sys.argv[1]), sys.argv[2]
# Before the folder that this is started in, which Python searches first, and may be a checkout.
sys.path[:] = filter(None, sys.path)
if wanted["version"] != "this" or folder not in sys.path:
    sys.path.insert(0, folder)
import numpy as np
from restore import Restorer
restore = Restorer(wanted["task"], wanted["model"], **wanted["options"])
coarse = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
height, width = wanted["height"], wanted["width"]
image = coarse.repeat(-(-height // 64), 0).repeat(-(-width // 64), 1)[:height, :width].copy()
print(json.dumps([str(restore.compute.device), restore.compute.precision]), flush=True)
import pathlib, psutil
ready, before = psutil.Process().memory_info().rss, peak()
try:
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # peak() starts again
except OSError:
    pass
for line in sys.stdin:
    seconds, end = [], time.perf_counter() + wanted["turn"]
    while not seconds or time.perf_counter() < end:
        started = time.perf_counter()
        restore(image)
        seconds.append(time.perf_counter() - started)
    # The first of several wakes threads and fills caches, which the others' turns have emptied.
    counted = seconds[1:] or seconds
    highest = max(before, peak())
    print(json.dumps([sum(counted) / len(counted), highest, peak() - ready]), flush=True)
"""
_SPINNING = """
import os, sys
print(flush=True)
while os.getppid() == int(sys.argv[1]):
    for _ in range(10**6):
        pass
"""
TURN = 1.0
"""Seconds for which a process restores again and again before it is another's turn; the machine's
best is measured in the same way."""


@dataclass(frozen=True)
class Setting:
    """One line of the table. ``version``: `HERE`, or a folder that contains another ``restore``.
    ``options``: those of that version's `Restorer`."""

    task: str
    model: str
    height: int
    width: int
    options: dict[str, Any]
    version: str = HERE


class Worker:
    """A process that has loaded the model of a setting and restores its image on request.

    ``turn``: seconds per turn; 0 restores one image. ``start_up``: seconds from starting Python to
    a loaded model. Raises `RestoreError` if the process cannot run.
    """

    def __init__(self, setting: Setting, turn: float = TURN):
        self.setting = setting
        folder = store.PACKAGE.parent if setting.version == HERE else setting.version
        began = time.perf_counter()
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                _WORKER,
                json.dumps(vars(setting) | {"turn": turn}),
                str(folder),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.device, self.precision = self._answer()
        self.start_up = time.perf_counter() - began
        self.memory = self.above_start = 0

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.communicate()

    def run(self) -> float:
        """Take a turn; return the mean seconds per image."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        seconds, self.memory, self.above_start = self._answer()
        return float(seconds)

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            _, said = self._process.communicate()
            who = f"{self.setting.model}{version_told(self.setting.version)}"
            raise RestoreError(f"{who}: {reason_of(said)}")
        return json.loads(line)


def first_picture(setting: Setting) -> float:
    """Return the seconds from starting Python to the first restored picture."""
    with Worker(setting, turn=0) as worker:
        return worker.start_up + worker.run()


class BusyProcesses:
    """``count`` processes that compute while the context is open, each on one CPU.

    They end with the context, and within a second of this process if it is killed.
    """

    def __init__(self, count: int):
        self._count = count
        self._processes: list[subprocess.Popen[str]] = []

    def __enter__(self) -> BusyProcesses:
        try:
            for _ in range(self._count):
                self._processes.append(_spinning())
            for process in self._processes:
                assert process.stdout is not None
                process.stdout.readline()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.communicate()


def _spinning() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _SPINNING, str(os.getpid())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # after Ctrl-C, which reaches all of a terminal's processes
        text=True,
    )


def version_told(version: str) -> str:
    """Return a version in parentheses, empty for this one."""
    return "" if version == HERE else f" ({version})"
