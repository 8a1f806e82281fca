from __future__ import annotations

import math
import os
from collections.abc import Iterator

import pytest

# Networks as small as those of most tests take ten times as long on two threads that wait for each
# other as on one. Set before torch comes, this also holds for the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def ordinary_scheduling() -> Iterator[None]:
    """Fail the test that leaves this process with real-time priority, which starves all others."""
    yield
    if not hasattr(os, "sched_getscheduler"):
        return
    policy = os.sched_getscheduler(0)
    if policy in (os.SCHED_FIFO, os.SCHED_RR):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        pytest.fail(f"left with scheduling policy {policy}")


@pytest.fixture(autouse=True)
def whole_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress within a tile comes by the clock: only tests that are about it see it."""
    monkeypatch.setattr("restore.engine.share.EVERY", math.inf)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print whether the real official package was fetched and tested."""
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.stats.get(outcome, ()):
            if not report.nodeid.endswith("::test_real_package"):
                continue
            reason = report.longrepr[-1] if isinstance(report.longrepr, tuple) else ""
            ran = "did not run" if outcome == "skipped" else f"ran: {outcome}"
            line = f"real official package (derain, through npm): {ran} {reason}"
            terminalreporter.write_line(line.rstrip())
