"""From the options of a command and a configuration file to a run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restore.checkpoints import weights
from restore.degrade.recipes import RECIPES
from restore.errors import CheckpointError, ConfigError, UsageError
from restore.heads import HEADS
from restore.networks import config_to_dict
from restore.networks.base import RestorationNetwork
from restore.train.config import TrainConfig, network_from
from restore.train.devices import processes
from restore.train.loop import check_shares
from restore.train.sources import MADE, Source

if TYPE_CHECKING:
    from restore.checkpoints.store import Model

_SHA256_DIGITS = 64


@dataclass(frozen=True)
class Plan:
    """A run: its configuration, its pictures, and the models it needs.

    Raises `UsageError` where ``sources`` and ``target_model`` do not fit together.
    """

    config: TrainConfig
    sources: tuple[Source, ...]
    start_from: RestorationNetwork | None = None
    """Model to fine-tune; None for fresh weights."""
    ancestor: Model | None = None
    """File and card of the model to fine-tune."""
    target_model: Model | None = None
    """File and card of the model that makes the targets of `MADE` sources."""

    def __post_init__(self) -> None:
        made = [source for source in self.sources if source.kind in MADE]
        if made and self.target_model is None:
            raise UsageError(
                f"{made[0].folder}: to {made[0].kind}, give target_model=NAME, the model that "
                "makes the targets"
            )
        if self.target_model is not None and self.sources and not made:
            raise UsageError(
                "target_model=NAME makes targets for pictures to rehearse or distill; give some"
            )

    def described(self) -> dict[str, Any]:
        """Return the configuration as a JSON object from which `plan` makes the same run.

        A configuration names models as their cards do. Here they are named by file if that is how
        they were found.
        """
        values = self.config.to_dict()
        for name, model in (("init", self.ancestor), ("target_model", self.target_model)):
            if model is not None and model.origin == "file":
                values[name] = f"{model.path} {model.card.sha256}"
        return values


def plan(
    task: str,
    sources: Sequence[Source],
    config: Path | None = None,
    init: str | None = None,
    devices: int = 1,
    target_model: str | None = None,
    **changes: Any,
) -> Plan:
    """Make the run that a configuration file (JSON) and options describe; options come first.

    ``init`` and ``target_model`` name models, by name or file, and ``changes`` are further
    `TrainConfig` fields; None leaves the field to the file. ``batches_per_step`` is one for each
    process if neither says otherwise. Raises `ConfigError` naming the file and the field,
    `CheckpointError`, or `UsageError` where ``sources`` and ``target_model`` do not fit together.
    """
    if task not in HEADS or HEADS[task].degradation not in RECIPES:
        trainable = ", ".join(name for name, t in HEADS.items() if t.degradation in RECIPES)
        raise ConfigError(f"no training recipe for {task!r}; there is one for {trainable}")
    values = {} if config is None else _read(config)
    models = {"init": init, "target_model": target_model}
    values |= {"task": task} | {k: v for k, v in (changes | models).items() if v is not None}
    values.setdefault("batches_per_step", processes(devices))
    ancestor, target = (_named(values, name, config, models[name]) for name in models)
    try:
        if ancestor is not None:
            _take_network(values, ancestor)
        planned = TrainConfig.from_dict(values)
    except ConfigError as error:
        raise ConfigError(f"{config}: {error}" if config else str(error)) from error
    check_shares(planned, processes(devices))
    made = Plan(planned, tuple(sources), None, ancestor, target)
    if ancestor is None:
        return made
    start = weights.load(ancestor.path, ancestor.card).requires_grad_(True).train()
    return replace(made, start_from=start)


def _read(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: is not valid JSON: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: must hold a JSON object of training fields")
    return values


def _named(
    values: dict[str, Any], field: str, config: Path | None, option: str | None
) -> Model | None:
    """Find the model that a field names, and put its card's name and hash into the field."""
    text = values.get(field)
    if not text or not isinstance(text, str):  # `TrainConfig` rejects other types
        return None
    from restore.checkpoints import store  # needs more than a bare machine has

    name, _, digest = text.rpartition(" ")
    if not name or len(digest) != _SHA256_DIGITS:
        name, digest = text, ""
    word = "--" + field.replace("_", "-")
    where = word if option else f"{config}: {field}"
    try:
        found = store.locate(name)
    except CheckpointError as error:
        hint = "" if option else f"; or name the file with {word} FILE"
        raise type(error)(f"{where}: {error}{hint}") from error
    if digest and digest != found.card.sha256:
        raise CheckpointError(
            f"{where}: {name} has SHA-256 {found.card.sha256[:12]}..., not {digest[:12]}...; "
            f"name the file with {word} FILE"
        )
    values[field] = f"{found.card.name} {found.card.sha256}"
    return found


def _take_network(values: dict[str, Any], ancestor: Model) -> None:
    """Train the network of the model to start from. Raises `ConfigError` if another is given."""
    network = ancestor.card.network
    if network_from(values.setdefault("network", config_to_dict(network))) != network:
        raise ConfigError(
            f"{ancestor.card.name} has another network than the configuration asks for; leave "
            "the field network out"
        )
