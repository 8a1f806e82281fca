"""Memory of control groups; their CPUs are tested with `restore.engine.threads`."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_machine import machine

from restore.engine import control_groups

GIB = 1 << 30


def test_version_2_leaves_what_is_neither_taken_nor_cached(tmp_path: Path) -> None:
    limits = {
        "job/step/memory.max": "max\n",
        "job/step/memory.current": f"{GIB}\n",
        "job/memory.max": f"{4 * GIB}\n",
        "job/memory.current": f"{3 * GIB}\n",
        "job/memory.stat": f"anon 7\ninactive_file {GIB}\nactive_file 9\n",
    }
    assert control_groups.memory_left(machine(tmp_path, "0::/job/step\n", **limits)) == 2 * GIB


def test_version_1_counts_the_caches_of_inner_groups(tmp_path: Path) -> None:
    limits = {
        "memory/pod/memory.limit_in_bytes": f"{4 * GIB}",
        "memory/pod/memory.usage_in_bytes": f"{3 * GIB}",
        "memory/pod/memory.stat": f"inactive_file 5\ntotal_inactive_file {GIB}\n",
        "memory/memory.limit_in_bytes": f"{2**63 - 4096}",
        "memory/memory.usage_in_bytes": f"{3 * GIB}",
    }
    root = machine(tmp_path, "5:memory:/pod\n4:cpu:/\n0::/\n", **limits)
    assert control_groups.memory_left(root) == 2 * GIB


def test_the_lowest_counts_and_is_never_negative(tmp_path: Path) -> None:
    limits = {
        "a/b/memory.max": f"{GIB}",
        "a/b/memory.current": "0",
        "a/memory.max": "1000",
        "a/memory.current": "1001",
    }
    assert control_groups.memory_left(machine(tmp_path, "0::/a/b\n", **limits)) == 0


@pytest.mark.parametrize(
    "limits",
    [{}, {"memory.max": "max", "memory.current": "5"}, {"memory.max": "5"}, {"memory.max": "?"}],
)
def test_without_a_readable_limit_there_is_none(tmp_path: Path, limits: dict[str, str]) -> None:
    assert control_groups.memory_left(machine(tmp_path, "0::/\nnonsense\n", **limits)) is None
