"""Freed memory is kept for what comes next, unless the environment has settings of its own."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
from pathlib import Path

import pytest

LARGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")
setting = LARGE_PAGES.read_text() if LARGE_PAGES.exists() else "[never]"
pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or "[always]" in setting,
    reason="needs GNU's C library, and large pages for those who ask",
)
FAULTS = """
import resource, sys
from concurrent.futures import ThreadPoolExecutor
import torch
from restore.engine.allocator import give_back, keep_pages
keep_pages()
def work():
    for _ in range(4):
        held = [torch.ones(5 << 20) for _ in range(8)]  # of 20 MiB each
        del held
        if sys.argv[1] == "given back":
            give_back()
def run():
    if len(sys.argv) > 2:  # in a thread
        with ThreadPoolExecutor(1) as pool:
            pool.submit(work).result()
    else:
        work()
run()
cleared = []
for _ in range(5):  # now and then a small piece comes to lie in what a large one left
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    run()
    cleared.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(min(cleared))
"""
PAGES = 4 * 8 * (20 << 20) // resource.getpagesize()


def cleared(*way: str, **settings: str) -> int:
    """Pages that the system had to clear, of the `PAGES` that were used."""
    own = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC", "GLIBC", "THP"))}
    environment = own | {"THP_MEM_ALLOC_ENABLE": "0"} | settings
    command = [sys.executable, "-c", FAULTS, *way]
    return int(subprocess.check_output(command, env=environment, timeout=120))


def test_pages_are_cleared_once() -> None:
    # The C library's own behaviour depends on the blocks at the end of its heap.
    assert cleared("kept") < 0.05 * PAGES
    assert cleared("kept", "in a thread") < 0.05 * PAGES
    assert cleared("given back") > 0.5 * PAGES


def test_settings_of_the_environment_come_first() -> None:
    assert cleared("kept", MALLOC_TRIM_THRESHOLD_="131072") > 0.5 * PAGES


def test_large_pieces_come_in_large_pages() -> None:
    if "[never]" in setting:
        pytest.skip("this system has no large pages")
    assert cleared("given back", THP_MEM_ALLOC_ENABLE="1") < 0.2 * PAGES
