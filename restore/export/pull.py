"""Get a model's ONNX file into the cache folder: exported here, or downloaded."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from restore.checkpoints import acquire, store, zoo
from restore.checkpoints.acquire import AUTO, Note
from restore.checkpoints.download import Progress, download
from restore.checkpoints.store import Model
from restore.errors import (
    CheckpointError,
    ModelNotFoundError,
    RestoreError,
    UnavailableError,
    UsageError,
)
from restore.export.onnx_files import can_export, check_metadata, has_torch, read_metadata
from restore.files import atomic_path, sha256_of
from restore.heads import HEADS


def obtain(
    name: str,
    sha256: str | None = None,
    progress: Progress | None = None,
    source: str = AUTO,
    note: Note | None = None,
) -> Model:
    """Get a model, or a head's recommended official one: its weights, or its ONNX file.

    Weights that are not installed are pulled as by `acquire.pull`, if torch is installed. Without
    torch, or without the package onnx, ``NAME.onnx`` is downloaded from ``RESTORE_WEIGHTS_URL`` to
    the cache folder, and the result has its path. ``sha256`` is required of the fetched file. By
    default, an ONNX file must have the SHA-256 of its first download, or that in
    ``NAME.onnx.sha256`` at the same URL, if there is either.

    Raises `UsageError`, `ModelNotFoundError`, `DownloadError` or `CheckpointError`.
    """
    if name in HEADS:
        name = acquire.named(name).name
    if can_export():
        try:
            return store.locate(name)
        except ModelNotFoundError:
            if name not in zoo.OFFICIAL:
                raise
        if has_torch():
            return acquire.pull(name, sha256, progress, source, note)
    if source != AUTO:
        raise UsageError(f"source is {source!r}; official checkpoints are converted by torch")
    return _downloaded(name, sha256, progress or (lambda done, total: None))


def install(model: Model, progress: Callable[[int, int], None]) -> Path:
    """Return the ONNX file of a model that `obtain` has returned, exported to the cache folder
    unless it was downloaded. Raises as `export` does."""
    if model.path.suffix == ".onnx":
        return model.path
    from restore.export.onnx import export

    target = store.exported_folder() / f"{model.card.name}.onnx"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or error
        raise CheckpointError(f"{target.parent}: cannot be written: {reason}") from error
    export(model, target, overwrite=True, progress=progress)
    return target


def _downloaded(name: str, sha256: str | None, progress: Progress) -> Model:
    """Download an ONNX file, unless it exists; if two processes do so, the second waits."""
    from filelock import FileLock

    card = store.card_of(name)
    target = store.exported_folder() / f"{name}.onnx"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_suffix(".lock")):
            record = target.with_name(f"{target.name}.sha256")
            expected = sha256 or _first_word(record)
            if not (target.is_file() and expected == sha256_of(target)):
                _fetch(Model(target, card, "exported"), expected, progress, record)
    except OSError as error:
        reason = error.strerror or error
        raise CheckpointError(f"{target.parent}: cannot be written: {reason}") from error
    return Model(target, card, "exported")


def _fetch(model: Model, sha256: str | None, progress: Progress, record: Path) -> None:
    target = model.path
    remedy = (
        f"where torch is installed, run: restore weights pull {model.card.name} --onnx; and copy "
        f"the file to {target.parent}"
    )
    if zoo.base_url() == zoo.BASE_URL:  # the release has checkpoints alone
        raise UnavailableError(f"no public server has {target.name}; {remedy}")
    url = f"{zoo.base_url()}/{target.name}"
    arrived = store.home() / "downloads" / target.name
    try:
        found = download(url, arrived, sha256=sha256 or _listed(url, arrived), progress=progress)
    except UnavailableError as error:
        raise UnavailableError(f"{error}; {remedy}") from error
    try:
        check_metadata(target, read_metadata(arrived), model.card)
    except RestoreError:
        arrived.unlink()  # keeping it would block the next attempt
        raise
    with atomic_path(record) as temporary:
        temporary.write_text(f"{found}  {target.name}\n")
    os.replace(arrived, target)


def _listed(url: str, arrived: Path) -> str | None:
    """Return the SHA-256 that the server lists for a file, if any."""
    listed = arrived.with_name(f"{arrived.name}.sha256")
    listed.unlink(missing_ok=True)
    try:
        download(f"{url}.sha256", listed)
    except UnavailableError:
        return None
    found = _first_word(listed)
    listed.unlink()
    return found


def _first_word(path: Path) -> str | None:
    if not path.is_file():
        return None
    return path.read_text(encoding="utf-8", errors="replace").partition(" ")[0].strip()
