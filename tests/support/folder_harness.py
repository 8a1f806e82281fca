"""A batch without a network, to be killed: ``python folder_harness.py INPUTS OUTPUT``.

Every picture is inverted, slowly, and a line in OUTPUT.log says which.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from restore.jobs.executors.local import run
from restore.jobs.file_stages import Stages
from restore.jobs.folder_plan import plan
from restore.jobs.manifest import opened


def inverted(pixels: np.ndarray, report: Callable[[int, int], None]) -> np.ndarray:
    for step in range(4):
        time.sleep(0.005)
        report(step + 1, 4)
    return 255 - pixels


def main(inputs: Path, output: Path) -> None:
    jobs = plan([inputs], output, recursive=True)
    with opened(output) as manifest, open(output.with_suffix(".log"), "a") as log:
        for outcome in run(jobs, Stages(inverted, manifest, {"model": "inverse"})):
            print(outcome.status, outcome.source.name, file=log, flush=True)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
