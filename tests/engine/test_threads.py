"""CPU threads: their number follows the quota of a container, and they wait without spinning."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from math import ceil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_machine import machine

from restore.engine import threads

CPUS = threads.usable_cpus()


def test_version_2_grants_what_cpu_max_says(tmp_path: Path) -> None:
    limits = {"app/cpu.max": "150000 100000\n", "cpu.max": "max 100000\n"}
    assert threads.quota(machine(tmp_path, "0::/app\n", **limits)) == 2


def test_version_1_grants_quota_over_period(tmp_path: Path) -> None:
    root = machine(
        tmp_path,
        "5:memory:/pod\n4:cpu,cpuacct:/pod/app\n0::/\n",
        **{
            "cpu,cpuacct/pod/app/cpu.cfs_quota_us": "-1\n",
            "cpu,cpuacct/pod/app/cpu.cfs_period_us": "100000\n",
            "cpu,cpuacct/pod/cpu.cfs_quota_us": "300000\n",
            "cpu,cpuacct/pod/cpu.cfs_period_us": "100000\n",
        },
    )
    assert threads.quota(root) == 3


def test_an_outer_group_may_grant_less(tmp_path: Path) -> None:
    limits = {"a/b/cpu.max": "400000 100000", "a/cpu.max": "50000 50000", "cpu.max": "max 100000"}
    assert threads.quota(machine(tmp_path, "0::/a/b\n", **limits)) == 1


@pytest.mark.parametrize("group", ["/docker/4f1c", "/../../kubepods/pod7", "/"])
@pytest.mark.parametrize("version", [1, 2])
def test_a_container_sees_its_group_at_the_mount(tmp_path: Path, group: str, version: int) -> None:
    """Whatever name ``/proc`` has for it; there is no folder of that name."""
    if version == 2:
        root = machine(tmp_path, f"0::{group}\n", **{"cpu.max": "200000 100000"})
    else:
        files = {"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}
        root = machine(tmp_path, f"1:cpu:{group}\n0::/\n", **files)
    assert threads.quota(root) == 2


@pytest.mark.parametrize(
    "limits",
    [
        {},
        {"cpu.max": "max 100000"},
        {"cpu.max": ""},
        {"cpu.max": "many of 100000"},
        {"cpu.max": "100000 0"},
        {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"},
        {"cpu/cpu.cfs_quota_us": "100000"},
    ],
)
def test_without_a_readable_limit_there_is_none(tmp_path: Path, limits: dict[str, str]) -> None:
    assert threads.quota(machine(tmp_path, "1:cpu:/\n0::/\nnonsense\n", **limits)) is None


def test_without_control_groups_there_is_no_limit(tmp_path: Path) -> None:
    assert threads.quota(tmp_path) is None


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(st.integers(1, 10**7), st.integers(1000, 10**6)), min_size=1, max_size=4),
)
def test_the_lowest_limit_counts_rounded_up(
    tmp_path_factory: pytest.TempPathFactory, limits: list[tuple[int, int]]
) -> None:
    names = [f"g{number}" for number in range(len(limits))]
    paths = ["/".join(names[: depth + 1]) for depth in range(len(limits))]
    files = {
        f"{path}/cpu.max": f"{quota} {period}"
        for path, (quota, period) in zip(paths, limits, strict=True)
    }
    root = machine(tmp_path_factory.mktemp("machine"), f"0::/{paths[-1]}\n", **files)
    assert threads.quota(root) == ceil(min(Fraction(*limit) for limit in limits))


PREPARED = """
import json, os, sys
from pathlib import Path
from restore.engine import threads
given = json.loads(sys.argv[1])
threads.prepare(given, Path(sys.argv[2]))
assert "torch" not in sys.modules
print(given.get("OMP_NUM_THREADS"), given.get("GOMP_SPINCOUNT"))
"""


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ("{}", "1 2000"),
        ('{"OMP_NUM_THREADS": "7"}', "7 2000"),
        ('{"GOMP_SPINCOUNT": "5"}', "1 5"),
        ('{"OMP_WAIT_POLICY": "active"}', "1 None"),
    ],
)
@pytest.mark.skipif(CPUS < 2, reason="one CPU: a quota lowers nothing")
def test_variables_that_are_set_win(tmp_path: Path, variables: str, expected: str) -> None:
    root = machine(tmp_path, "0::/\n", **{"cpu.max": "90000 100000"})
    command = [sys.executable, "-c", PREPARED, variables, root]
    assert subprocess.run(command, capture_output=True, text=True).stdout.strip() == expected


SETTLED = """
import sys, threading
{first}
from pathlib import Path
from restore.engine import threads
threads.settle(Path(sys.argv[1]))
names = [thread.name for thread in threading.enumerate()]
import torch
print(torch.get_num_threads(), names.count("restore-throttle"))
threads.settle(Path(sys.argv[1]))
assert len(threading.enumerate()) == len(names)
"""


def settled(root: Path, first: str = "", **variables: str) -> list[int]:
    """Threads that torch uses, and threads that throttle it, in a process that imports torch
    ``first`` or later."""
    names = (threads.COUNT, threads.SPIN, threads.WAIT)
    environment = {name: value for name, value in os.environ.items() if name not in names}
    done = subprocess.run(
        [sys.executable, "-c", SETTLED.format(first=first), root],
        env=environment | variables,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return [int(word) for word in done.stdout.split()]


several_cpus = pytest.mark.skipif(
    CPUS < 2 or sys.platform != "linux", reason="needs two CPUs and GNU's OpenMP"
)
EARLY = "import torch"


@several_cpus
def test_threads_are_throttled_where_torch_was_imported_before(tmp_path: Path) -> None:
    count, throttles = settled(tmp_path, EARLY)
    assert count >= 2
    assert throttles == (CPUS - count) // (count - 1) + 1
    assert settled(tmp_path) == [count, 0]  # where the variables were set in time


@several_cpus
def test_a_quota_counts_where_torch_was_imported_before(tmp_path: Path) -> None:
    limited = machine(tmp_path, "0::/\n", **{"cpu.max": "100000 100000"})
    assert settled(limited, EARLY) == [1, 0]
    variables = {"OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "active"}
    assert settled(limited, EARLY, **variables) == [2, 0]


THROTTLED = """
import time, torch, sys
from restore.engine import threads
if sys.argv[1] == "settled":
    threads.settle()
a = torch.ones(1 << 18)
a.add_(1)
begun = time.process_time()
for _ in range(60):
    a.add_(1)  # by all threads
    time.sleep(0.02)  # while the others have nothing to do
print(time.process_time() - begun)
"""


@several_cpus
def test_threads_sleep_while_they_wait() -> None:
    """As CPU time shows it: GNU's default is to spin for milliseconds after each piece of work."""
    names = (threads.COUNT, threads.SPIN, threads.WAIT)
    environment = {name: value for name, value in os.environ.items() if name not in names}

    def seconds(way: str) -> float:
        first = "import torch\n"  # before the variables can be set
        command = [sys.executable, "-c", first + THROTTLED, way]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return float(done.stdout)

    assert min(seconds("settled") for _ in range(2)) < 0.6 * seconds("as it is")
