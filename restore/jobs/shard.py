"""Shares of a folder run: several processes, on several machines, fill one folder."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from restore.errors import UsageError

SLURM = "slurm"
_TASK = "SLURM_ARRAY_TASK_"


@dataclass(frozen=True)
class Shard:
    """Share ``index`` of ``count``, from 1. Raises `UsageError` for a share that cannot be."""

    index: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.index <= self.count:
            raise UsageError(
                f"shard {self.index}/{self.count}: shards are numbered from 1 to {self.count}"
            )

    @property
    def is_whole(self) -> bool:
        """Whether this is the only share."""
        return self.count == 1

    @property
    def label(self) -> str:
        """ "3-of-16" in names of files; empty for the only share."""
        return "" if self.is_whole else f"{self.index}-of-{self.count}"

    def holds(self, place: str) -> bool:
        """Return whether the file at a place below the output belongs to this share.

        The name decides, not the position in a list: processes that start at different times may
        find different files, and must still agree about each one.
        """
        digest = hashlib.blake2b(os.fsencode(place), digest_size=8).digest()
        return int.from_bytes(digest, "big") % self.count == self.index - 1


WHOLE = Shard()


def parse_shard(text: str, environment: Mapping[str, str] = os.environ) -> Shard:
    """Return the share that a text means: "3/16", "slurm" for the task of a SLURM job array, or
    nothing for the whole. Raises `UsageError`."""
    if not text:
        return WHOLE
    if text == SLURM:
        return _of_slurm(environment)
    found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text, re.ASCII)
    if found is None:
        raise UsageError(f'shard is {text!r}; use "3/16", or "slurm" in a job array')
    return Shard(int(found[1]), int(found[2]))


def _of_slurm(environment: Mapping[str, str]) -> Shard:
    """Return the task's position in its array, whose numbers may begin anywhere and have steps."""
    try:
        task, count, first = (int(environment[_TASK + name]) for name in ("ID", "COUNT", "MIN"))
        step = int(environment.get(f"{_TASK}STEP", "1"))
        last = int(environment.get(f"{_TASK}MAX", first + (count - 1) * step))
    except (KeyError, ValueError) as error:
        why = f"{error.args[0]} is not set" if isinstance(error, KeyError) else error
        raise UsageError(
            f'shard is "{SLURM}", but this is no task of a SLURM job array ({why}); use "3/16", or '
            "sbatch --array=1-16"
        ) from None
    place, between = divmod(task - first, step) if step > 0 else (0, 1)
    if between or (last - first) // max(step, 1) + 1 != count:
        raise UsageError(
            f'shard is "{SLURM}", but the numbers of this job array have gaps, so that no task '
            f'knows its position; use shard="$SLURM_ARRAY_TASK_ID/16"'
        )
    return Shard(place + 1, count)
