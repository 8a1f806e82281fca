"""Shards of a folder run, killed at random moments and started again:

    python killed_shards.py INPUTS OUTPUT MODEL SHARDS KILLS

The shards are forks of one process that has loaded torch, since a start takes longer than the run.
Prints the number of kills, and the exit status of each shard.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch

import restore
from restore.jobs.manifest import part_of
from restore.jobs.shard import Shard

_PACE = 0.3
"""Seconds between two pictures of a shard until all kills are done."""
_AT_MOST = 0.05
"""Seconds that a shard lives on once it is known to be at work."""


@dataclass
class _Runner:
    inputs: Path
    output: Path
    model: Path
    shard: Shard
    process: int = 0
    before: int = 0

    def start(self) -> None:
        self.before = self._written()
        self.process = os.fork() or self._restore()

    def is_at_work(self) -> bool:
        """Return whether it has finished a picture since it was started, and has not ended."""
        ended = os.waitid(os.P_PID, self.process, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return ended is None and self._written() > self.before

    def kill(self) -> bool:
        """Return whether it was killed, rather than had ended."""
        os.kill(self.process, signal.SIGKILL)
        return self.wait() == -signal.SIGKILL

    def wait(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])

    def _restore(self) -> int:
        torch.set_num_threads(1)
        done = restore.restore_folder(
            self.inputs,
            self.output,
            "denoise",
            model=str(self.model),
            device="cpu",
            shard=f"{self.shard.index}/{self.shard.count}",
            on_outcome=self._pace,
        )
        os._exit(0 if done.status == "done" else 1)

    def _pace(self, outcome: restore.Outcome) -> None:
        if outcome.status == "done" and not _all_killed(self.output).exists():
            time.sleep(_PACE)

    def _written(self) -> int:
        part = part_of(self.output, self.shard)
        return part.stat().st_size if part.exists() else 0


def _all_killed(output: Path) -> Path:
    return output.with_suffix(".killed")


def main(inputs: str, output: str, model: str, count: int, kills: int) -> None:
    chance, killed = random.Random(1), 0
    places = Path(inputs), Path(output), Path(model)
    runners = [_Runner(*places, Shard(index, count)) for index in range(1, count + 1)]
    for runner in runners:
        runner.start()
    end = time.monotonic() + 120
    while killed < kills and time.monotonic() < end:
        if working := [runner for runner in runners if runner.is_at_work()]:
            runner = chance.choice(working)
            time.sleep(chance.uniform(0, _AT_MOST))
            killed += runner.kill()
            runner.start()
        time.sleep(0.002)
    _all_killed(places[1]).touch()
    print(killed, *(runner.wait() for runner in runners))


if __name__ == "__main__":
    main(*sys.argv[1:4], *map(int, sys.argv[4:6]))
