"""How much memory a model takes, measured: in processes of their own, as their peak shows it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from restore.errors import RestoreError

SIDES = (512, 1024)
"""Of the pictures whose peaks are compared: what both take does not depend on the size."""
PEAK = """
import pathlib, resource, sys
def peak():
    status = pathlib.Path("/proc/self/status")
    if status.exists():  # what getrusage says here begins with the parent's
        return int(status.read_text().split("VmHWM:")[1].split()[0]) * 1024
    taken = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return taken * (1 if sys.platform == "darwin" else 1024)
"""
"""Code that defines ``peak()``: the most bytes the process has held."""
_RUN = f"""{PEAK}
import numpy as np
from restore import Restorer
from restore.checkpoints import store
from restore.engine.policy import uncut
task, model, precision, side = sys.argv[1:]
tile = uncut(store.find(task, model).card)
restore = Restorer(task, model, device="cpu", precision=precision, tile=tile)
restore(np.zeros((int(side), int(side), 3), np.uint8))
print(peak())
"""


def on_cpu(task: str, model: str | Path, precisions: Sequence[str]) -> dict[str, float]:
    """Bytes a pixel at the peak of a computation, by precision, for a model's name or file: of a
    tile as the card has it, whatever memory there is.

    Raises `RestoreError` where the model cannot be run.
    """
    return {precision: _bytes_a_pixel(task, str(model), precision) for precision in precisions}


def _bytes_a_pixel(task: str, model: str, precision: str) -> float:
    small, large = (_peak(task, model, precision, side) for side in SIDES)
    return round((large - small) / (SIDES[1] ** 2 - SIDES[0] ** 2), 1)


def _peak(task: str, model: str, precision: str, side: int) -> int:
    command = [sys.executable, "-c", _RUN, task, model, precision, str(side)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        reason = done.stderr.strip().splitlines()
        raise RestoreError(f"{model}: could not be measured: {reason[-1] if reason else 'killed'}")
    return int(done.stdout)
