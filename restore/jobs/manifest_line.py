"""One line of a manifest: everything that a folder run writes down about an output."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from restore.files import sha256_of
from restore.jobs.file_version import version_of

MARK = "restore-batch-"
"""Prefix of temporary files of folder runs."""


@dataclass(frozen=True)
class OutputState:
    """The bytes of a complete output. ``version``: as `version_of`."""

    sha256: str
    version: list[int] | None = None

    @classmethod
    def of(cls, path: Path) -> OutputState:
        return cls(sha256_of(path), version_of(path))


@dataclass(frozen=True)
class ManifestLine:
    """One output of a run. Raises `ValueError` for values that no run has written.

    ``output``, ``temporary``: paths relative to the folder.
    ``key``: the input, model and options that the output was made with.
    ``input_version``, ``output_version``: `version_of` both, if they can be relied on.
    """

    input: str
    output: str
    temporary: str
    output_sha256: str
    key: Mapping[str, Any]
    input_version: list[int] | None = None
    output_version: list[int] | None = None

    def __post_init__(self) -> None:
        # The file may come from anywhere, and the files that it names are moved and replaced.
        for name in (self.output, self.temporary, self.output_sha256):
            if not isinstance(name, str) or _leads_out(name):
                raise ValueError(f"{name!r} is not in the folder")
        temporary = os.path.basename(self.temporary)
        if not temporary.startswith(f".{MARK}") or not temporary.endswith(".part"):
            raise ValueError(f"{temporary!r} is no temporary file of a folder run")
        os.fsencode(self.output)
        if not isinstance(self.key, dict):
            raise ValueError(f"{self.key!r} is no key")


def _leads_out(name: str) -> bool:
    # Without `Path`, which would be half of the time to read a manifest.
    if os.path.isabs(name) or os.path.splitdrive(name)[0]:
        return True
    return ".." in name and ".." in Path(name).parts


def parse_line(text: bytes) -> ManifestLine | None:
    """Return a line of a manifest, or None if it was cut short by a kill: that file is not done."""
    try:
        return ManifestLine(**json.loads(text))
    except (ValueError, TypeError):
        return None
