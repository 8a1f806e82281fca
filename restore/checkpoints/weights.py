"""Model files: safetensors with a card beside them. Nothing here ever unpickles."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from restore import files
from restore.checkpoints.card import Card, card_path, read_card
from restore.errors import CheckpointError
from restore.files import atomic_path, sha256_of
from restore.networks import build
from restore.networks.base import RestorationNetwork


def check_target(path: Path, overwrite: bool = False) -> None:
    """Raise `CheckpointError` where a model could not be written, before any work is done."""
    if path.suffix != ".safetensors":
        raise CheckpointError(f"{path}: a model file must end in .safetensors")
    for file in (path, card_path(path)):
        files.check_target(file, overwrite, CheckpointError)


def save(
    model: RestorationNetwork, card: Card, path: Path, dtype: torch.dtype = torch.float32
) -> Card:
    """Write ``path`` and its card, each whole or not at all; returns the card as written.

    ``dtype`` is that of the stored values. ``sha256`` and ``parameters`` of the card are filled
    in. Raises `CheckpointError`.
    """
    check_target(path, overwrite=True)
    tensors = {k: v.detach().to("cpu", dtype).contiguous() for k, v in model.state_dict().items()}
    try:
        with atomic_path(path) as temporary:
            save_file(tensors, temporary)
            written = replace(
                card,
                network=model.config,
                sha256=sha256_of(temporary),
                parameters=sum(p.numel() for p in model.parameters()),
            )
            write_card(written, path)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CheckpointError(f"{path}: cannot be written: {reason}") from error
    return written


def write_card(card: Card, weights: Path) -> None:
    """Put a card beside its weights file."""
    with atomic_path(card_path(weights)) as temporary:
        temporary.write_text(
            json.dumps(card.to_dict(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )


def load(path: Path, card: Card | None = None) -> RestorationNetwork:
    """Read a model file into a float32 network on the CPU, in evaluation mode.

    Raises `CheckpointError` for a missing card, a hash other than the card's, or any tensor that
    is missing, extra or misshapen.
    """
    card = card or read_card(path)
    verify(path, card)
    with torch.device("meta"):
        model = build(card.network)
    wanted = {k: tuple(v.shape) for k, v in model.state_dict().items()}
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            found = set(file.keys())
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
                if not tensor.is_floating_point():
                    raise CheckpointError(f"{path}: tensor {name} is {tensor.dtype}, not floats")
                # A copy, as the tensor is a view of the mapped file: whoever truncates that
                # would take the process down.
                state[name] = tensor.to(torch.float32, copy=True)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: cannot be read as safetensors: {error}") from error
    model.load_state_dict(state, assign=True)
    return model.eval().requires_grad_(False)


def verify(path: Path, card: Card) -> None:
    """Raise `CheckpointError` unless the file's SHA-256 is the one on its card."""
    try:
        found = sha256_of(path)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from error
    if found != card.sha256:
        raise CheckpointError(
            f"{path}: is damaged or not the file its card describes (SHA-256 {found[:12]}..., "
            f"expected {card.sha256[:12] or 'none'}...)"
        )
