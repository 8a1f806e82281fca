"""restore: noise, blur, rain, haze and darkness out of photographs.

    import restore
    fix = restore.Restorer("denoise")
    out = fix(image)          # H x W x 3 or H x W; uint8, uint16 or float32 in [0, 1]

Nothing heavy is imported until it is used.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from restore.errors import RestoreError
from restore.heads import HEADS as TASKS
from restore.version import __version__

if TYPE_CHECKING:
    from restore.engine.restorer import Restorer

if not os.path.isdir(os.path.join(__path__[0], "cli")):
    # In a checkout `restore.cli` and `restore.weights` stand beside this folder; an installation
    # has them inside. Python run in the checkout's root finds this one first.
    __path__.append(os.path.dirname(__path__[0]))

__all__ = ["TASKS", "RestoreError", "Restorer", "__version__"]


def __getattr__(name: str) -> Any:
    if name == "Restorer":
        from restore.engine.restorer import Restorer

        return Restorer
    raise AttributeError(f"module 'restore' has no attribute {name!r}")
