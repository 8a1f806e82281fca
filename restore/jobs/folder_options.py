"""Options of folder runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FolderOptions:
    """Options of folders only."""

    recursive: bool = False
    """Include folders within folders; the tree is kept."""
    suffix: str = ""
    """Appended to each name, before its ending."""
    format: str = ""
    """Ending of all pictures, such as "png", or of all clips, such as "mkv"."""
    skip_existing: bool = False
    """Keep every existing output."""
    workers: int | None = None
    """Files restored at a time; None is 1, or as many as a Ray cluster has room for."""
    fail_fast: bool = False
    """Stop at the first failure."""
    dry_run: bool = False
    """Return the plan without restoring anything."""
    shard: str = ""
    """Restore one share of the files: "3/16", or "slurm" for that of a SLURM array's task. The
    shares are separate runs, on any machines, that fill one folder."""
    executor: str = "local"
    """Where files are restored: "local" is this process, "ray" the workers of a Ray cluster."""
    ray_address: str = ""
    """The Ray cluster's address; empty is that of RAY_ADDRESS, else a cluster that runs on this
    machine, else one that is started for this run."""
    watch: bool = False
    """Wait for files to arrive, until ``should_stop``."""
