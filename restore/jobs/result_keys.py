"""Keys of results: everything that decides the bytes of an output, as manifests record it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from restore.errors import UsageError
from restore.jobs.job_restorer import check_known

if TYPE_CHECKING:
    from restore.engine.restorer import Restorer
    from restore.jobs.job_restorer import Head

_CLIP_DEFAULTS: dict[str, Any] = {
    "backend": "torch",
    "tile": "auto",
    "overlap": None,
    "max_memory": None,
    "strength": 1.0,
    "ensemble": False,
}
"""Options that a clip's key always holds: a run begun from the command line, which gives all, can
be resumed from Python."""


def key_options(head: Head, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that results depend on: ``options``, or those of a `Restorer`.

    Raises `UsageError` for options together with a `Restorer`, which has its own.
    """
    if isinstance(head, str):
        return dict(options)
    check_known(options)
    if options:
        raise UsageError(f"{next(iter(options))} is an option of the Restorer that is given")
    return {
        "backend": head.backend.name,
        "tile": f"{head.tiles}, {head.card.network}",
        "strength": head.strength,
        "ensemble": head.ensemble,
    }


def folder_key(restorer: Restorer, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything about a restorer that decides the bytes of a picture."""
    return {
        "task": restorer.task,
        "model_sha256": restorer.card.sha256,
        "precision": restorer.compute.precision,
        "backend": restorer.backend.name,
        "tile": str(options.get("tile", "auto")),
        "overlap": options.get("overlap"),
        "strength": restorer.strength,
        "ensemble": restorer.ensemble,
        **given(options, "stages", "reduce"),
    }


def clip_key(restorer: Restorer, options: Mapping[str, Any], temporal: bool) -> dict[str, Any]:
    """Return everything about a restorer that decides the bytes of a clip."""
    return {
        "task": restorer.task,
        "model": restorer.card.sha256,
        "device": restorer.compute.device.type,
        "precision": restorer.compute.precision,
        "temporal": temporal,
        **{name: str(options.get(name, value)) for name, value in _CLIP_DEFAULTS.items()},
        **given(options, "stages", "reduce"),
    }


def given(options: Mapping[str, Any], *names: str) -> dict[str, str]:
    """Return those of ``names`` that a user has given, as text. Results made before an option
    existed stay results of the same options."""
    return {name: str(options[name]) for name in names if options.get(name) is not None}
