"""Which device and which number format to compute in."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from restore.checkpoints.card import BFLOAT16, FLOAT32, Card
from restore.errors import RestoreError, UsageError

PRECISIONS = {FLOAT32: torch.float32, BFLOAT16: torch.bfloat16}


@dataclass(frozen=True)
class Compute:
    """``precision`` is a key of `PRECISIONS`."""

    device: torch.device
    precision: str

    @property
    def dtype(self) -> torch.dtype:
        return PRECISIONS[self.precision]


def choose(device: str, precision: str, card: Card) -> Compute:
    """Resolve "auto": cuda, then mps, then cpu; the fastest precision the card says is safe.

    Raises `RestoreError` for a device this machine lacks or an unknown precision. A precision
    given by name is used as asked, also where the card does not vouch for it.
    """
    chosen = choose_device(device)
    if precision == "auto":
        safe = BFLOAT16 in card.precisions and bfloat16_is_fast(chosen)
        return Compute(chosen, BFLOAT16 if safe else FLOAT32)
    if precision not in PRECISIONS:
        raise UsageError(f"precision {precision!r} is unknown; use auto, {', '.join(PRECISIONS)}")
    return Compute(chosen, precision)


def choose_device(name: str) -> torch.device:
    """The device that "auto", "cpu", "cuda", "cuda:1" or "mps" means; raises `RestoreError`."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        raise UsageError(f"device {name!r} is unknown; use auto, cpu, cuda or mps") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise RestoreError(
            f"device {name!r}: this machine has no usable CUDA GPU; use device='cpu'"
        )
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise RestoreError(f"device {name!r}: there are {torch.cuda.device_count()} GPUs, from 0")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise RestoreError(f"device {name!r}: this machine has no Metal GPU; use device='cpu'")
    if device.type not in ("cpu", "cuda", "mps"):
        raise RestoreError(f"device {name!r} is not supported; use auto, cpu, cuda or mps")
    return device


def bfloat16_is_fast(device: torch.device) -> bool:
    """Whether the machine multiplies bfloat16 in hardware (emulated, it is slower than float32)."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        capabilities = (
            torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
        )
        return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return False


def share_cores(workers: int) -> None:
    """Share the CPU's cores among this many threads that run networks at once."""
    torch.set_num_threads(max(1, torch.get_num_threads() // workers))
