"""The state of a run on disk: complete or absent, and enough to continue exactly.

A state is a folder ``state-<step>`` of safetensors shards, none above 16 MB, and a
``state.json``. It is written under another name and renamed, so a kill, a power cut or a full
disk leaves the one before.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from restore.errors import TrainingError

if TYPE_CHECKING:
    from restore.train.loop import Trainer

SHARD_BYTES = 16_000_000
ENTRY_BYTES = 150
"""More than a tensor takes in a shard's header, besides its name."""
_MOMENTS = ("exp_avg", "exp_avg_sq")


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
    """Put the newest saved state into the trainer; False if there is none."""
    states = _states(trainer.folder)
    if not states:
        return False
    newest = states[-1]
    try:
        header = json.loads((newest / "state.json").read_text())
        config = dict(header["config"]) | {"sources": header["sources"]}
        step, patches, skipped = (int(header[k]) for k in ("step", "patches", "skipped"))
        tensors: dict[str, Tensor] = {}
        for shard in sorted(newest.glob("shard-*.safetensors")):
            tensors.update(load_file(shard, device=str(trainer.device)))
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise TrainingError(f"{newest}: damaged training state: {error!r}") from error
    _check_config(config, trainer, newest)
    for name, tensor in _tensors(trainer).items():
        if name not in tensors or tensors[name].shape != tensor.shape:
            raise TrainingError(f"{newest}: damaged training state: no {name} of this network")
    for part, model in (("model", trainer.model), ("ema", trainer.ema)):
        model.load_state_dict(_part(tensors, part))
    moments = {name: _part(tensors, name) for name in _MOMENTS}
    for name, parameter in trainer.model.named_parameters():
        trainer.optimizer.state[parameter] = {
            "step": torch.tensor(float(step - skipped)),
            **{moment: moments[moment][name] for moment in _MOMENTS},
        }
    trainer.step, trainer.patches, trainer.skipped = step, patches, skipped
    return True


def _check_config(saved: dict[str, Any], trainer: Trainer, path: Path) -> None:
    sources = {"sources": trainer.sampler.sources}
    current = json.loads(json.dumps(trainer.config.to_dict() | sources))
    for name in current:
        if saved.get(name) != current[name]:
            raise TrainingError(
                f"{path}: belongs to a run with {name} = {saved.get(name)!r}, not "
                f"{current[name]!r}; give another folder, or the same settings"
            )


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


def _states(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("state-*") if p.is_dir() and not p.suffix)


def _sync(write: Any, content: Any, path: Path) -> None:
    write(content, path)
    with open(path, "rb+") as file:
        os.fsync(file.fileno())
