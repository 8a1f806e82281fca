"""Files by which Linux states the control groups of a process."""

from __future__ import annotations

from pathlib import Path


def machine(root: Path, groups: str, **limits: str) -> Path:
    """Made-up ``proc`` and ``sys``: ``/proc/self/cgroup``, and files below ``/sys/fs/cgroup``."""
    (root / "proc" / "self").mkdir(parents=True)
    (root / "proc" / "self" / "cgroup").write_text(groups)
    for name, text in limits.items():
        path = root / "sys" / "fs" / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root
