"""Errors that users may meet. Each message says what is wrong, where, and what to do next.

Messages name options as Python has them: use device='cpu', give overwrite=True. The command line
shows these as --device cpu and --overwrite (`restore.cli.flags`).
"""

from __future__ import annotations

import re


class RestoreError(Exception):
    """Base of every error this project raises on purpose; the CLI prints it as one line."""


class ConfigError(RestoreError, ValueError):
    """A network or training configuration that cannot be built; names the field."""


class UsageError(RestoreError, ValueError):
    """An option or a name that does not exist; the CLI exits as for any wrong usage."""


class SizeError(RestoreError, ValueError):
    """An input whose height or width a network cannot take; names the multiple needed."""


class ImageError(RestoreError, ValueError):
    """An image that cannot be read, written or processed."""


class CheckpointError(RestoreError):
    """A model file that is missing, damaged, or not what it claims to be."""


class DownloadError(CheckpointError):
    """A download that did not produce the file it promised."""


class UnavailableError(DownloadError):
    """A source that cannot be reached or does not hold the file; another source may."""


class ModelNotFoundError(CheckpointError):
    """No installed model answers to the name or the task; the message says how to get one."""


class TrainingError(RestoreError):
    """Training data, a training state, or a training run that cannot be used."""


def reason_of(stderr: str) -> str:
    """Return why a Python process of ours ended: the last line of its traceback, without the class
    of our own errors."""
    lines = stderr.strip().splitlines()
    return re.sub(r"^restore\.errors\.\w+: ", "", lines[-1]) if lines else "was killed"


def pip_install(extra: str) -> str:
    """Return the command that installs an extra; another project has the name ``restore``."""
    return f'pip install "maxim-restore[{extra}]"'
