from __future__ import annotations

import os

import pytest

# Networks as small as those of most tests take ten times as long on two threads that wait for each
# other as on one. Set before torch comes, this also holds for the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")


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
