"""The state of a run on disk: complete or absent, and enough to continue exactly.

A state is a folder ``state-<step>`` of safetensors shards of at most 16 MB and a ``state.json``.
It is written under another name and renamed, so a kill, a power cut or a full disk leaves the
previous state intact.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from restore.errors import TrainingError
from restore.train.config import TrainConfig
from restore.train.schedule import Schedule

if TYPE_CHECKING:
    from restore.train.loop import Trainer

SHARD_BYTES = 16_000_000
ENTRY_BYTES = 150
"""Upper bound of a tensor's entry in a shard's header, without its name."""
_MOMENTS = ("exp_avg", "exp_avg_sq")
_SCHEDULE = ("steps", "learning_rate", "final_learning_rate", "warmup_steps")
"""Fields that may change when a finished run is lengthened."""


def save(trainer: Trainer) -> Path:
    """Write the trainer's state, then drop older ones. Raises `TrainingError`."""
    target = trainer.folder / f"state-{trainer.step:08d}"
    partial = target.with_suffix(".partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for index, shard in enumerate(_shards(_tensors(trainer))):
            _sync(save_file, shard, partial / f"shard-{index:03d}.safetensors")
        header = {
            "config": trainer.config.to_dict(),
            "sources": trainer.sampler.sources,
            "step": trainer.step,
            "patches": trainer.patches,
            "skipped": trainer.skipped,
            "stretches": [asdict(stretch) for stretch in trainer.stretches],
        }
        _sync(lambda text, path: path.write_text(text), json.dumps(header), partial / "state.json")
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TrainingError(
            f"{trainer.folder}: the training state cannot be written: {reason}; "
            "the one before it is intact"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    for old in trainer.folder.glob("state-*"):  # also what a killed run left half-written
        if old != target:
            shutil.rmtree(old, ignore_errors=True)
    return target


def load(trainer: Trainer) -> bool:
    """Put the newest saved state into the trainer. Returns False if there is none.

    A finished run whose configuration has more steps now gets one more stretch. Raises
    `TrainingError` for a damaged state, or one of another run.
    """
    newest = _newest(trainer.folder)
    if newest is None:
        return False
    header = _header(newest)
    lengthened = _check_config(header, trainer.config, newest)
    sources = json.loads(json.dumps(trainer.sampler.sources))
    _check_same("sources", header["sources"], sources, newest)
    try:
        step, patches, skipped = (int(header[k]) for k in ("step", "patches", "skipped"))
        stretches = _stretches(header)
        tensors: dict[str, Tensor] = {}
        for shard in sorted(newest.glob("shard-*.safetensors")):
            tensors.update(load_file(shard, device=str(trainer.device)))
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise TrainingError(f"{newest}: damaged training state: {error!r}") from error
    for name, tensor in _tensors(trainer).items():
        if name not in tensors or tensors[name].shape != tensor.shape:
            raise TrainingError(f"{newest}: damaged training state: no {name} of this network")
    for part, model in (("model", trainer.model), ("ema", trainer.ema)):
        model.load_state_dict(_part(tensors, part))
    moments = {name: _part(tensors, name) for name in _MOMENTS}
    for name, parameter in trainer.model.named_parameters():
        trainer.optimizer.state[parameter] = {
            "step": torch.tensor(float(step - skipped), device=trainer.device),  # as it is fused
            **{moment: moments[moment][name] for moment in _MOMENTS},
        }
    if lengthened:
        stretches = (*stretches, Schedule.of(trainer.config, after=stretches[-1]))
    trainer.stretches = stretches
    trainer.step, trainer.patches, trainer.skipped = step, patches, skipped
    return True


def check(folder: Path, config: TrainConfig) -> None:
    """Raise `TrainingError` where the folder holds a state of a run with another configuration."""
    newest = _newest(folder)
    if newest is not None:
        _check_config(_header(newest), config, newest)


def _header(path: Path) -> dict[str, Any]:
    """Read the header of a state. Fields of the configuration that it lacks have defaults."""
    try:
        header = dict(json.loads((path / "state.json").read_text()))
        header["config"] = TrainConfig().to_dict() | dict(header["config"])
        header["step"] = int(header["step"])
        header["sources"] = list(header["sources"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{path}: damaged training state: {error!r}") from error
    return header


def _check_config(header: Mapping[str, Any], config: TrainConfig, path: Path) -> bool:
    """Return whether the run is lengthened. Raises `TrainingError` for another configuration."""
    saved = json.loads(json.dumps(header["config"]))
    current = json.loads(json.dumps(config.to_dict()))
    changed = [name for name in current if saved[name] != current[name]]
    steps, done = saved["steps"], header["step"]
    if "steps" in changed and set(changed) <= set(_SCHEDULE):
        if current["steps"] < steps:
            raise TrainingError(
                f"{path}: belongs to a run of {steps:,} steps; give steps={steps}, or more to "
                "lengthen it"
            )
        if done < steps:
            raise TrainingError(
                f"{path}: belongs to a run that has {steps - done:,} of {steps:,} steps left; "
                f"finish it with steps={steps} before lengthening it"
            )
        return True
    for name in changed:
        _check_same(name, saved[name], current[name], path)
    return False


def _check_same(name: str, saved: Any, current: Any, path: Path) -> None:
    if isinstance(saved, Mapping) and isinstance(current, Mapping):
        for key in {**saved, **current}:
            _check_same(f"{name}.{key}", saved.get(key), current.get(key), path)
    elif saved != current:
        raise TrainingError(
            f"{path}: belongs to a run with {name} = {saved!r}, not {current!r}; give another "
            "folder, or the same settings"
        )


def _stretches(header: Mapping[str, Any]) -> tuple[Schedule, ...]:
    """Read the schedules of a state. One of an older version has a single stretch."""
    if "stretches" in header:
        return tuple(Schedule(**stretch) for stretch in header["stretches"])
    return (Schedule.of(TrainConfig.from_dict(header["config"])),)


def _tensors(trainer: Trainer) -> dict[str, Tensor]:
    tensors = {f"model/{k}": v for k, v in trainer.model.state_dict().items()}
    tensors |= {f"ema/{k}": v for k, v in trainer.ema.state_dict().items()}
    for name, parameter in trainer.model.named_parameters():
        for moment in _MOMENTS:
            value = trainer.optimizer.state[parameter].get(moment, torch.zeros_like(parameter))
            tensors[f"{moment}/{name}"] = value
    return {k: v.detach().contiguous() for k, v in tensors.items()}


def _part(tensors: dict[str, Tensor], part: str) -> dict[str, Tensor]:
    return {k.removeprefix(f"{part}/"): v for k, v in tensors.items() if k.startswith(f"{part}/")}


def _shards(tensors: dict[str, Tensor]) -> list[dict[str, Tensor]]:
    shards: list[dict[str, Tensor]] = [{}]
    room = SHARD_BYTES
    for name, tensor in tensors.items():
        size = tensor.nbytes + len(name) + ENTRY_BYTES
        if shards[-1] and size > room:
            shards.append({})
            room = SHARD_BYTES
        shards[-1][name] = tensor
        room -= size
    return shards


def _newest(folder: Path) -> Path | None:
    states = sorted(p for p in folder.glob("state-*") if p.is_dir() and not p.suffix)
    return states[-1] if states else None


def _sync(write: Any, content: Any, path: Path) -> None:
    write(content, path)
    with open(path, "rb+") as file:
        os.fsync(file.fileno())
