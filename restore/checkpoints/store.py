"""Locate models: shipped with the package, downloaded to the cache, or a file of the user's.

Listing and finding read only cards and import no torch, so that the CLI starts quickly.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import platformdirs

from restore.checkpoints import official_figures
from restore.checkpoints.card import Card, read_card
from restore.checkpoints.zoo import OFFICIAL
from restore.errors import CheckpointError, ModelNotFoundError, UsageError
from restore.heads import BEST, FAST, HEADS, QUALITIES, STANDARD, Head

PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Model:
    """A model file and its card.

    ``origin``: "shipped", "downloaded", "file" or "exported" (an ONNX file without its weights).
    ``stored``: the card of the file, if ``card`` describes a part of its network
    (`restore.checkpoints.cut`).
    """

    path: Path
    card: Card
    origin: str
    stored: Card | None = None


def home() -> Path:
    """Return the cache folder: ``RESTORE_HOME``, or the platform's folder for caches."""
    override = os.environ.get("RESTORE_HOME")
    return Path(override) if override else Path(platformdirs.user_cache_dir("restore"))


def shipped_folder() -> Path:
    """Return the models inside the package; in a source checkout, the folder ``weights`` next to
    it."""
    inside = PACKAGE / "weights"
    return inside if inside.is_dir() else PACKAGE.parent / "weights"


def official_folder() -> Path:
    """Return the folder of measured properties of official models, one JSON file each."""
    return shipped_folder() / "official"


def installed() -> Iterator[Model]:
    """Yield shipped and downloaded models. Models with unreadable cards are omitted; `restore
    weights verify` reports why."""
    for path, origin in files():
        try:
            yield _model(path, origin)
        except CheckpointError:
            continue


def exported_folder() -> Path:
    """Return the folder of ONNX files, which have the names of their models."""
    return home() / "onnx"


def exported() -> Iterator[Model]:
    """Yield official models whose ONNX file is installed; their weights may be missing."""
    for name in OFFICIAL:
        path = exported_folder() / f"{name}.onnx"
        if path.is_file():
            yield Model(path, card_of(name), "exported")


def card_of(name: str) -> Card:
    """Return the card of a model, or of an official one that is not installed.

    Raises `ModelNotFoundError`.
    """
    if name in OFFICIAL:
        return official_figures.merged(OFFICIAL[name].card(), official_folder())
    return locate(name).card


def _model(path: Path, origin: str) -> Model:
    return Model(path, official_figures.merged(read_card(path), official_folder()), origin)


def files() -> Iterator[tuple[Path, str]]:
    """Yield path and origin of every installed model file, with a card or without."""
    for folder, origin in ((shipped_folder(), "shipped"), (home() / "models", "downloaded")):
        for path in sorted(folder.glob("*.safetensors")):
            yield path, origin


def check_task(task: str) -> None:
    """Raise `UsageError` for a task that does not exist."""
    if not isinstance(task, str) or task not in HEADS:
        raise UsageError(f"no task is called {task!r}; use one of {', '.join(HEADS)}")


def find(
    task: str,
    model: str | Path | None = None,
    quality: str | None = None,
    with_exported: bool = False,
) -> Model:
    """Find the model a user means: a name, a file, or the head's model of a quality.

    ``quality`` is "fast", "standard" or "best". "standard", the default, falls back to the head's
    other models where its own is not installed; the other two do not fall back. ``with_exported``
    also finds models with an ONNX file but no weights.

    Raises `UsageError` for an unknown task or quality and for a model and a quality together,
    `ModelNotFoundError` with the command that helps, or `CheckpointError` for a file that has no
    card, is for another task, or does not restore RGB images.
    """
    check_task(task)
    if quality is not None and quality not in QUALITIES:
        raise UsageError(f"quality is {quality!r}; use one of {', '.join(QUALITIES)}")
    if model is not None and quality is not None:
        raise UsageError("model and quality both choose a model; give one of the two")
    if model is None:
        found = _of_quality(task, quality or STANDARD, with_exported)
    else:
        found = locate(model, with_exported)
    if found.card.task != task:
        raise CheckpointError(f"{model} is a model for {found.card.task}, not for {task}")
    if found.card.network.num_outputs != 3:
        raise CheckpointError(f"{found.path}: is not a network from RGB to RGB images")
    return found


def locate(model: str | Path, with_exported: bool = False) -> Model:
    """Return the model of a name or a file, regardless of its task. Raises as `find` does."""
    name = str(model)
    if name.endswith(".safetensors") or os.sep in name:
        path = Path(model)
        if not os.path.isfile(path):
            raise ModelNotFoundError(f"{path}: no such model file")
        return _model(path, "file")
    for path, origin in files():
        if path.stem == name:
            return _model(path, origin)
    for one in exported() if with_exported else ():
        if one.card.name == name:
            return one
    if name in OFFICIAL:
        raise ModelNotFoundError(
            f"{name} is not installed; get it with: {_pull(name, with_exported)}"
        )
    raise ModelNotFoundError(f"no model is called {name!r}; see: restore models")


def _of_quality(task: str, quality: str, with_exported: bool) -> Model:
    head = HEADS[task]
    by_name: dict[str, Model] = {}
    for model in (*installed(), *(exported() if with_exported else ())):
        if model.card.task == task:
            by_name.setdefault(model.path.stem, model)
    if quality == STANDARD:
        for name in (*head.models, *by_name):
            if name in by_name:
                return by_name[name]
        raise ModelNotFoundError(f"no weights for {task} are installed; {_how_to_get_one(head)}")
    name = {FAST: head.fast, BEST: head.best}[quality]
    if not name:
        raise UsageError(f"{task} has no model of quality {quality}; use {STANDARD}")
    if name in by_name:
        return by_name[name]
    help_ = (
        f"get it with: {_pull(task, with_exported)}" if name in OFFICIAL else "see: restore models"
    )
    raise ModelNotFoundError(
        f"{name}, the model of quality {quality} for {task}, is not installed; {help_}"
    )


def _pull(name: str, exported: bool) -> str:
    """Return the command that gets a model, as an ONNX file too where one is enough."""
    return f"restore weights pull {name}{' --onnx' if exported else ''}"


def _how_to_get_one(head: Head) -> str:
    official = next((name for name in (head.best, *head.others) if name in OFFICIAL), None)
    if official is not None:
        return f"get the official ones with: restore weights pull {official}"
    trained = f", or train one with: restore train {head.name}" if head.degradation else ""
    return f"name a model file{trained}"


@dataclass(frozen=True, repr=False)
class Entry:
    """One model of the catalogue."""

    card: Card
    state: str
    """"shipped", "downloaded", "exported" (an ONNX file without its weights) or "available"."""
    path: Path | None
    """None for a model that is not installed."""
    size: int
    """Bytes of the model file, or of the one to be."""

    def __repr__(self) -> str:
        return (
            f"Entry(name={self.name!r}, head={self.head!r}, quality={self.quality!r}, "
            f"installed={self.installed!r})"
        )

    @property
    def name(self) -> str:
        """The name that `Restorer` accepts as ``model``."""
        return self.card.name

    @property
    def head(self) -> str:
        """The head, or task, that the model serves."""
        return self.card.task

    @property
    def installed(self) -> bool:
        """Whether the model is on this machine, if only for ``backend="onnxruntime"``."""
        return self.path is not None

    @property
    def quality(self) -> str:
        """The quality of this model for its head: "fast", "standard", "best" or ""."""
        return quality(self.card.name, self.card.task)


def quality(name: str, task: str) -> str:
    """Return the quality under which a head declares a model, "" for none."""
    head = HEADS[task]
    declared = {head.best: BEST, head.standard: STANDARD, head.fast: FAST}
    return declared.get(name, "")


def quantise(model: str | Path, target: Path, overwrite: bool = False) -> Card:
    """Store a model, by name or file, at 8 bits per weight; return the card of ``target``.

    Figures are dropped, since they were measured on the original weights. Raises `CheckpointError`.
    """
    import torch

    from restore.checkpoints import weights

    weights.check_target(target, overwrite)
    found = locate(model)
    origin = {"quantised_from": f"{found.card.name} {found.card.sha256}"}
    card = replace(found.card, name=target.stem, figures=(), source={**found.card.source, **origin})
    return weights.save(weights.load(found.path, found.card), card, target, dtype=torch.int8)


def catalogue() -> list[Entry]:
    """Return every model, head by head: shipped, downloaded, exported, or available."""
    entries: dict[str, Entry] = {}
    for model in (*installed(), *exported()):
        # Models are named by their files, as `find` expects.
        card = replace(model.card, name=model.path.stem)
        size = model.path.stat().st_size
        entries.setdefault(card.name, Entry(card, model.origin, model.path, size))
    for official in OFFICIAL.values():
        card = official_figures.merged(official.card(), official_folder())
        entries.setdefault(card.name, Entry(card, "available", None, 4 * official.parameters))
    heads = list(HEADS)
    return sorted(entries.values(), key=lambda entry: heads.index(entry.card.task))


def entry(name: str) -> Entry:
    """Return the catalogue entry of a name, or of a model file. Raises as `locate` does."""
    for one in catalogue():
        if one.card.name == name:
            return one
    model = locate(name)
    return Entry(model.card, model.origin, model.path, model.path.stat().st_size)
