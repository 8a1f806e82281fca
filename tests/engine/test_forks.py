"""Forks of a process that has computed in threads get an error where they would hang."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from models import save_model

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="has no fork")

PROGRAM = """
import multiprocessing, sys, warnings
import numpy as np
from restore import Restorer, RestoreError
import torch
warnings.simplefilter("ignore", DeprecationWarning)  # Python's own, about forks and threads

model, way = sys.argv[1:]
image = np.random.default_rng(0).random((160, 160, 3), dtype=np.float32)
load = lambda: Restorer("denoise", model, device="cpu", tile="off")
fix = load() if way != "unused" else None

def restored(queue):
    if way == "one thread":
        torch.set_num_threads(1)
    try:
        queue.put((load() if way in ("new", "unused") else fix)(image).shape)
    except RestoreError as error:
        queue.put(str(error))

if fix:
    fix(image)
context = multiprocessing.get_context("fork")
queue = context.Queue()
worker = context.Process(target=restored, args=(queue,), daemon=True)
worker.start()
print(queue.get(timeout=120))
if fix:
    print(fix(image).shape)  # the parent goes on
"""
REFUSED = (
    "this process was forked from one that has computed in threads, which a fork does not "
    'inherit; start workers with multiprocessing.get_context("spawn")'
)


@pytest.mark.parametrize(
    ("way", "threads", "expected"),
    [
        ("inherited", 2, REFUSED),
        ("new", 2, REFUSED),
        ("one thread", 2, "(160, 160, 3)"),
        ("inherited", 1, "(160, 160, 3)"),
        ("unused", 2, "(160, 160, 3)"),
    ],
)
def test_a_fork_is_refused_where_it_would_hang(
    way: str, threads: int, expected: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", PROGRAM, str(save_model(tmp_path)), way]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240)
    assert done.stdout.splitlines()[0] == expected, done.stderr
    assert done.stdout.splitlines()[1:] == ["(160, 160, 3)"] * (way != "unused")
