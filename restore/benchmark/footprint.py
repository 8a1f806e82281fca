"""Memory of a model: the peak of a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from restore.errors import RestoreError, reason_of

_SIDE = 1024
"""Of the picture that is restored. What does not depend on the size (strips, kept pages) is shared
out among its pixels: too much for larger ones, a little too little for smaller ones."""
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
from restore.engine.tile_options import uncut
task, model, precision = sys.argv[1:]
tile = uncut(store.find(task, model).card)
restore = Restorer(task, model, device="cpu", precision=precision, tile=tile)
before = peak()
restore(np.zeros(({_SIDE}, {_SIDE}, 3), np.uint8))
print(peak() - before)
"""


def on_cpu(task: str, model: str | Path, precisions: Sequence[str]) -> dict[str, float]:
    """Return the peak memory of a computation in bytes per pixel, by precision.

    Args:
        model: name or file. It restores one tile as its card states, regardless of free memory.

    Raises `RestoreError` if the model cannot be run.
    """
    return {precision: _bytes_a_pixel(task, str(model), precision) for precision in precisions}


def _bytes_a_pixel(task: str, model: str, precision: str) -> float:
    command = [sys.executable, "-c", _RUN, task, model, precision]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RestoreError(f"{model}: could not be measured: {reason_of(done.stderr)}")
    return round(int(done.stdout) / _SIDE**2, 1)
