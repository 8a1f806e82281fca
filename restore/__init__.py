"""restore: noise, blur, rain, haze and darkness out of photographs.

    import restore
    fix = restore.Restorer("denoise")
    out = fix(image)          # a numpy array, a torch tensor or a PIL image, and the same kind back
    restore.restore_file("in.jpg", "out.jpg", fix)          # also animations and clips
    restore.restore_folder("photos", "restored", "dehaze", recursive=True)
    better = restore.auto(image)                            # by the heads that a judge suggests

`restore.models()` lists the models, `restore.load_network(name)` returns the `torch.nn.Module` of
one, and `restore.errors` holds every error that is raised on purpose. Importing this package
imports neither torch nor OpenCV; both are imported when they are used.
"""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restore import errors
from restore.errors import RestoreError
from restore.heads import HEADS as TASKS
from restore.version import __version__

if TYPE_CHECKING:
    from restore.automatic import AutoRestorer, auto, plan
    from restore.checkpoints.store import Entry
    from restore.engine.restorer import Restorer
    from restore.jobs.auto_folder import auto_folder
    from restore.jobs.auto_job import auto_file
    from restore.jobs.clip_job import restore_clip
    from restore.jobs.file_job import restore_file
    from restore.jobs.folder_job import restore_folder
    from restore.jobs.outcome import Outcome
    from restore.networks.base import RestorationNetwork

if not os.path.isdir(os.path.join(__path__[0], "cli")):
    # In a checkout `restore.cli` and `restore.weights` stand next to this folder; an installation
    # has them inside. Python run in the checkout's root finds this one first.
    __path__.append(os.path.dirname(__path__[0]))

__all__ = [
    "TASKS",
    "AutoRestorer",
    "Outcome",
    "RestoreError",
    "Restorer",
    "__version__",
    "auto",
    "auto_file",
    "auto_folder",
    "errors",
    "load_network",
    "models",
    "plan",
    "restore_clip",
    "restore_file",
    "restore_folder",
]
_IMPORTED_WHEN_USED = {
    "AutoRestorer": "restore.automatic",
    "Outcome": "restore.jobs.outcome",
    "Restorer": "restore.engine.restorer",
    "auto": "restore.automatic",
    "auto_file": "restore.jobs.auto_job",
    "auto_folder": "restore.jobs.auto_folder",
    "plan": "restore.automatic",
    "restore_clip": "restore.jobs.clip_job",
    "restore_file": "restore.jobs.file_job",
    "restore_folder": "restore.jobs.folder_job",
}
"""Modules of the public names that are imported at their first use."""


def models() -> list[Entry]:
    """List every model, head by head: shipped, downloaded, exported, or available for download.

    Each has ``name``, ``head``, ``quality`` ("fast", "standard", "best" or ""), ``installed`` and
    ``card``, which says what the model was trained on, its figures, licence and limits.
    """
    from restore.checkpoints.store import catalogue

    return catalogue()


def load_network(model: str | Path) -> RestorationNetwork:
    """Load the network of a model, by name or file: a `torch.nn.Module` in float32 on the CPU, in
    evaluation mode, without gradients.

    Its ``forward`` maps N x 3 x H x W RGB in [0, 1] to the same, which may leave that range; H and
    W must be multiples of ``config.size_multiple``. Raises `ModelNotFoundError`, or
    `CheckpointError` for a file that is not a model.
    """
    from restore.checkpoints import cut, store

    return cut.read_network(store.locate(model))


def __getattr__(name: str) -> Any:
    module = _IMPORTED_WHEN_USED.get(name)
    if module is None:
        raise AttributeError(f"module 'restore' has no attribute {name!r}")
    return getattr(import_module(module), name)


def __dir__() -> list[str]:
    return sorted(__all__)
