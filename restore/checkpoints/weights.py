"""Model files: safetensors, each with a card next to it. Nothing here unpickles."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from restore import files
from restore.checkpoints.card import Card, card_path, read_card, verify
from restore.checkpoints.quantise import expand, quantise
from restore.checkpoints.weight_arrays import SCALE
from restore.errors import CheckpointError
from restore.files import atomic_path, sha256_of
from restore.networks import build
from restore.networks.base import RestorationNetwork


def check_target(path: Path, overwrite: bool = False) -> None:
    """Raise `CheckpointError` if a model could not be written, before any work is done."""
    if path.suffix != ".safetensors":
        raise CheckpointError(f"{path}: a model file must end in .safetensors")
    for file in (path, card_path(path)):
        files.check_target(file, overwrite, CheckpointError)


def unread(model: RestorationNetwork) -> frozenset[str]:
    """Return names of the tensors that inference never reads: coarse outputs of the last stage."""
    outputs = f"stages.{model.config.num_stages - 1}.output_convs."
    return frozenset(
        name
        for name in model.state_dict()
        if name.startswith(outputs) and not name.startswith(f"{outputs}0.")
    )


def save(
    model: RestorationNetwork,
    card: Card,
    path: Path,
    dtype: torch.dtype = torch.float32,
    *,
    without_unread: bool = False,
) -> Card:
    """Write ``path`` and its card, each complete or not at all; return the card as written.

    ``dtype``: of the stored values; `torch.int8` stores them as `restore.checkpoints.quantise`
    does. ``without_unread``: omit the tensors that `unread` names. The card's ``sha256`` and
    ``parameters`` (of the stored tensors) are filled in. Raises `CheckpointError`.
    """
    check_target(path, overwrite=True)
    dropped = unread(model) if without_unread else frozenset()
    if dtype == torch.int8:
        stored = quantise(model)
    else:
        state = model.state_dict()
        stored = {k: v.detach().to("cpu", dtype).contiguous() for k, v in state.items()}
    tensors = {k: v for k, v in stored.items() if k.removesuffix(SCALE) not in dropped}
    try:
        with atomic_path(path) as temporary:
            save_file(tensors, temporary)
            written = replace(
                card,
                network=model.config,
                sha256=sha256_of(temporary),
                parameters=sum(p.numel() for k, p in model.named_parameters() if k not in dropped),
            )
            write_card(written, path)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CheckpointError(f"{path}: cannot be written: {reason}") from error
    return written


def write_card(card: Card, weights: Path) -> None:
    """Write a card next to its weights file."""
    with atomic_path(card_path(weights)) as temporary:
        temporary.write_text(
            json.dumps(card.to_dict(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )


def load(path: Path, card: Card | None = None) -> RestorationNetwork:
    """Read a model file into a float32 network on the CPU, in evaluation mode.

    The coarse outputs of the last stage may be absent, all together, and become zeros: inference
    never reads them, and official models are stored without them. Raises `CheckpointError` for a
    missing card, a hash that differs from the card's, or any other tensor that is missing, extra or
    misshapen.
    """
    card = card or read_card(path)
    verify(path, card)
    with torch.device("meta"):
        model = build(card.network)
    shapes = {k: tuple(v.shape) for k, v in model.state_dict().items()}
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            names = set(file.keys())  # once: each call lists all of them again
            scaled = {name for name in names if name + SCALE in names}
            found = names - {name + SCALE for name in scaled}
            absent = frozenset() if found & unread(model) else unread(model)
            wanted = {k: shape for k, shape in shapes.items() if k not in absent}
            for name in sorted(wanted.keys() ^ found):
                what = "is missing" if name in wanted else "does not belong to this network"
                raise CheckpointError(f"{path}: tensor {name} {what}")
            state = {}
            for name, shape in wanted.items():
                tensor = file.get_tensor(name)
                if tuple(tensor.shape) != shape:
                    raise CheckpointError(
                        f"{path}: tensor {name} has shape {tuple(tensor.shape)}, expected {shape}"
                    )
                if name in scaled:
                    tensor = _expanded(path, name, tensor, file.get_tensor(name + SCALE))
                if not tensor.is_floating_point():
                    raise CheckpointError(f"{path}: tensor {name} is {tensor.dtype}, not floats")
                # A copy: the tensor is a view of the mapped file, and truncating that file
                # would crash the process.
                state[name] = tensor.to(torch.float32, copy=True)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: cannot be read as safetensors: {error}") from error
    state |= {name: torch.zeros(shapes[name]) for name in absent}
    model.load_state_dict(state, assign=True)
    return model.eval().requires_grad_(False)


def _expanded(path: Path, name: str, integers: Tensor, scale: Tensor) -> Tensor:
    sizes = zip(scale.shape, integers.shape, strict=False)
    broadcasts = scale.ndim == integers.ndim and all(s in (1, size) for s, size in sizes)
    if integers.dtype != torch.int8 or not scale.is_floating_point() or not broadcasts:
        raise CheckpointError(
            f"{path}: tensor {name} is {integers.dtype} {tuple(integers.shape)} with a scale of "
            f"{scale.dtype} {tuple(scale.shape)}; expected int8 and floats that broadcast to it"
        )
    return expand(integers, scale)
