"""Freed memory is kept for what comes next, unless the environment has settings of its own."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs GNU's C library")
FAULTS = """
import resource, sys
import torch
from restore.engine.allocator import give_back, keep_pages
keep_pages()
def work():
    for _ in range(4):
        held = [torch.ones(5 << 20) for _ in range(8)]  # of 20 MiB each
        del held
        if sys.argv[1] == "given back":
            give_back()
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
PAGES = 4 * 8 * 20 * 256


def cleared(way: str, **settings: str) -> int:
    """Pages that the system had to clear, of the `PAGES` that were used."""
    own = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC", "GLIBC", "THP"))}
    environment = own | {"THP_MEM_ALLOC_ENABLE": "0"} | settings
    command = [sys.executable, "-c", FAULTS, way]
    return int(subprocess.check_output(command, env=environment, timeout=120))


def test_pages_are_cleared_once() -> None:
    # What the C library does of itself depends on what lies at the end of its heap.
    assert cleared("kept") < 0.05 * PAGES
    assert cleared("given back") > 0.5 * PAGES


def test_settings_of_the_environment_come_first() -> None:
    assert cleared("kept", MALLOC_TRIM_THRESHOLD_="131072") > 0.5 * PAGES


def test_large_pieces_come_in_large_pages() -> None:
    setting = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if not setting.exists() or "[never]" in setting.read_text():
        pytest.skip("this system has no large pages")
    assert cleared("given back", THP_MEM_ALLOC_ENABLE="1") < 0.2 * PAGES
