"""Where models are: shipped with the package, downloaded to the cache, or a file of the user's.

Listing and finding read cards alone and import no torch, so that the CLI stays quick.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import platformdirs

from restore.checkpoints.card import TILES, Card, read_card
from restore.checkpoints.zoo import OFFICIAL, Official
from restore.errors import CheckpointError, ModelNotFoundError, RestoreError, UsageError
from restore.files import atomic_path, sha256_of
from restore.networks.maxim import VARIANTS
from restore.tasks import TASKS

PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Model:
    """A model file and its card; ``origin`` is "shipped", "downloaded" or "file"."""

    path: Path
    card: Card
    origin: str


def home() -> Path:
    """The cache folder: ``RESTORE_HOME``, or the platform's place for caches."""
    override = os.environ.get("RESTORE_HOME")
    return Path(override) if override else Path(platformdirs.user_cache_dir("restore"))


def shipped_folder() -> Path:
    """The models inside the package; in a source checkout, the folder ``weights`` beside it."""
    inside = PACKAGE / "weights"
    return inside if inside.is_dir() else PACKAGE.parent / "weights"


def installed() -> Iterator[Model]:
    """Shipped and downloaded models, by name. A model whose card cannot be read is left out;
    `verify_all` says why."""
    for path, origin in _files():
        try:
            yield Model(path, read_card(path), origin)
        except CheckpointError:
            continue


def _files() -> Iterator[tuple[Path, str]]:
    for folder, origin in ((shipped_folder(), "shipped"), (home() / "models", "downloaded")):
        for path in sorted(folder.glob("*.safetensors")):
            yield path, origin


def check_task(task: str) -> None:
    """Raise `UsageError` for a task that does not exist."""
    if not isinstance(task, str) or task not in TASKS:
        raise UsageError(f"no task is called {task!r}; there are {', '.join(TASKS)}")


def find(task: str, model: str | Path | None = None) -> Model:
    """The model a user means: a name, a file, or by default the head's first installed one.

    Raises `UsageError` for an unknown task, `ModelNotFoundError` with the command that helps, or
    `CheckpointError` for a file that has no card or is for another task.
    """
    check_task(task)
    if model is None:
        return _default(task)
    found = locate(model)
    if found.card.task != task:
        raise CheckpointError(f"{model} is a model for {found.card.task}, not for {task}")
    return found


def locate(model: str | Path) -> Model:
    """The model of a name or a file, whatever its task; raises as `find` does."""
    name = str(model)
    if name.endswith(".safetensors") or os.sep in name:
        path = Path(model)
        if not os.path.isfile(path):
            raise ModelNotFoundError(f"{path}: no such model file")
        return Model(path, read_card(path), "file")
    for path, origin in _files():
        if path.stem == name:
            return Model(path, read_card(path), origin)
    if name in OFFICIAL:
        raise ModelNotFoundError(
            f"{name} is not installed; get it with: restore weights pull {name}"
        )
    raise ModelNotFoundError(f"no model is called {name!r}; see: restore models")


def _default(task: str) -> Model:
    by_name: dict[str, Model] = {}
    for model in installed():
        if model.card.task == task:
            by_name.setdefault(model.path.stem, model)
    for name in (*TASKS[task].models, *by_name):
        if name in by_name:
            return by_name[name]
    first = next(name for name in TASKS[task].models if name in OFFICIAL)
    raise ModelNotFoundError(
        f"no weights for {task} are installed; get the official ones with: "
        f"restore weights pull {first}"
    )


def catalogue() -> list[tuple[Card, str]]:
    """Every model's card with its state: shipped, downloaded, or available."""
    # A model goes by the name of its file, which is what `find` takes.
    here = [(replace(m.card, name=m.path.stem), m.origin) for m in installed()]
    names = {card.name for card, _ in here}
    return here + [(o.card(), "available") for o in OFFICIAL.values() if o.name not in names]


def convert(source: Path, target: Path, task: str, variant: str, overwrite: bool = False) -> Card:
    """Turn an official ``.npz`` of a named variant into ``target`` and its card.

    Raises `CheckpointError`, before anything is read where the request itself is wrong.
    """
    from restore.checkpoints import official as official_format
    from restore.checkpoints import weights

    check_task(task)
    if variant not in VARIANTS:
        raise UsageError(f"no variant is called {variant!r}; there are {', '.join(VARIANTS)}")
    weights.check_target(target, overwrite)
    network = official_format.load(source, VARIANTS[variant])
    card = Card(
        name=target.stem,
        task=task,
        network=network.config,
        sha256="",
        variant=variant,
        training_patch=256,
        tile=TILES,
        source={"file": source.name, "sha256": sha256_of(source)},
    )
    return weights.save(network, card, target)


def official(name: str) -> Official:
    """The official checkpoint of that name, or of that <Task>/<Data> path."""
    for entry in OFFICIAL.values():
        if name in (entry.name, entry.path):
            return entry
    raise ModelNotFoundError(
        f"no official checkpoint is called {name!r}; there are {', '.join(OFFICIAL)}"
    )


def pull(
    name: str,
    sha256: str | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> Model:
    """Download and convert an official checkpoint, unless it is here already.

    The SHA-256 of the first download is recorded in the cache and demanded of every later one;
    ``sha256`` demands one of the caller's. ``progress`` is called with bytes done and in all.
    Of two processes the second waits, and finds the model.

    Raises `DownloadError` or `CheckpointError`; nothing half-made stays under a model's name.
    """
    from filelock import FileLock

    entry = official(name)
    folder = home() / "models"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f"{entry.name}.lock")
        with lock:
            return _pull(entry, folder, sha256, progress)
    except OSError as error:
        raise CheckpointError(f"{folder}: cannot be written: {error.strerror or error}") from error


def _pull(
    entry: Official,
    folder: Path,
    sha256: str | None,
    progress: Callable[[int, int | None], None] | None,
) -> Model:
    from restore.checkpoints import official as official_format
    from restore.checkpoints import weights
    from restore.checkpoints.download import download

    target = folder / f"{entry.name}.safetensors"
    record = folder / f"{entry.name}.npz.sha256"
    recorded = record.read_text().partition(" ")[0] if record.is_file() else None
    if sha256 is not None and recorded is not None and sha256.lower() != recorded:
        raise CheckpointError(
            f"{entry.name}: SHA-256 {sha256[:12]!r} demanded, but {recorded[:12]}... was recorded "
            f"at the first download; remove {record} to accept another file"
        )
    if target.is_file() and recorded is not None:
        try:
            model = Model(target, read_card(target), "downloaded")
            weights.verify(target, model.card)
            return model
        except CheckpointError:
            pass  # damaged since: download it again, which the record guards
    archive = home() / "downloads" / f"{entry.name}.npz"
    found = download(
        entry.url, archive, sha256=recorded if sha256 is None else sha256, progress=progress
    )
    try:
        network = official_format.load(archive, VARIANTS[entry.variant])
    except CheckpointError:
        archive.unlink()  # whole, but no checkpoint: keeping it would block the next attempt
        raise
    with atomic_path(record) as temporary:
        temporary.write_text(f"{found}  {archive.name}\n")
    source = {"url": entry.url, "sha256": found}
    card = weights.save(network, replace(entry.card(), source=source), target)
    archive.unlink()
    return Model(target, card, "downloaded")


def verify_all() -> Iterator[tuple[Path, str | None]]:
    """Every installed model file with None, or with what is wrong with it."""
    from restore.checkpoints import weights

    for path, _ in _files():
        try:
            weights.verify(path, read_card(path))
        except RestoreError as error:
            yield path, str(error)
        else:
            yield path, None
