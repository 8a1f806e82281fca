"""How fast and how large the models are here, as fractions of what the machine can do at best.

Every setting runs in a process of its own, round after round in turns, so that a machine that slows
down slows all alike; also that of another version of this program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from restore.benchmark.machine_peak import convolution_peak, memory_bandwidth
from restore.benchmark.timed_processes import (
    HERE,
    BusyProcesses,
    Setting,
    Worker,
    first_picture,
    version_told,
)
from restore.checkpoints import store, weights
from restore.checkpoints.card import FLOAT32, Card
from restore.engine.backend import ONNXRUNTIME, TORCH
from restore.engine.precision import dtype_of
from restore.engine.tile_options import AUTO, resolve_policy
from restore.errors import UsageError
from restore.heads import HEADS
from restore.networks import build, initialise, variants

_COUNTED = 256
"""Side of the picture whose operations are counted; the count a pixel is that of any size."""


@dataclass(frozen=True)
class Speed:
    """``seconds`` is the median of the turns but the first, ``spread`` their interquartile range
    over it; ``start_up`` the seconds from nothing to a model ready to run; ``memory`` the peak of
    the process in bytes, and ``above_start`` how much of it came after the program, the model and
    the picture were there. ``of_peak`` and ``of_bandwidth`` are how near it comes to the machine's
    convolution peak, and to moving every layer's inputs and outputs once at the rate of a copy;
    None where the network does not see the whole picture. ``first_picture`` is the seconds from
    nothing to the first restored picture, ``busy_ratio`` the time among busy processes over
    ``seconds``; None where not measured."""

    model: str
    version: str
    device: str
    precision: str
    backend: str
    tile: str
    height: int
    width: int
    seconds: float
    seconds_a_megapixel: float
    spread: float
    start_up: float
    memory: int
    above_start: int
    of_peak: float | None
    of_bandwidth: float | None
    first_picture: float | None = None
    busy_ratio: float | None = None


@dataclass
class _Times:
    """Seconds of every round: alone, with other processes, and of a first picture."""

    worker: Worker
    quiet: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)


def measure(
    settings: Sequence[Setting],
    rounds: int,
    progress: Callable[[int, int], None],
    *,
    busy: int = 0,
    first: bool = False,
) -> list[Speed]:
    """Run every setting ``rounds`` times after a first that does not count.

    With ``busy``, every round has a second part in which that many other processes compute. With
    ``first``, every round also starts a process for each setting and times its first picture.
    Raises `RestoreError` for a setting that cannot run.
    """
    with ExitStack() as stack:
        times = [_Times(stack.enter_context(Worker(setting))) for setting in settings]
        workers = [each.worker for each in times]
        peaks: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for done in range(rounds + 1):
            for each in times:
                each.quiet.append(each.worker.run())
            with BusyProcesses(busy):
                for each in times if busy else ():
                    each.busy.append(each.worker.run())
            for each in times if first else ():
                each.first.append(first_picture(each.worker.setting))
            for place in {(worker.device, worker.precision) for worker in workers}:
                device, dtype = torch.device(place[0]), dtype_of(place[1])
                measured = convolution_peak(device, dtype), memory_bandwidth(device)
                peaks.setdefault(place, []).append(measured)
            progress(done + 1, rounds + 1)
    best = {place: np.median(values, axis=0) for place, values in peaks.items()}
    return [_speed(each, best[each.worker.device, each.worker.precision]) for each in times]


def _speed(times: _Times, best: np.ndarray) -> Speed:
    worker, setting = times.worker, times.worker.setting
    seconds = median(times.quiet[1:])
    low, high = np.percentile(times.quiet[1:], (25, 75))
    pixels = setting.height * setting.width
    card = store.find(setting.task, setting.model).card
    operations, moved = None, None
    if _sees_all(setting, card):
        operations, moved = _demand(card, dtype_of(worker.precision))
    return Speed(
        model=card.name,
        version=setting.version,
        device=worker.device,
        precision=worker.precision,
        backend=setting.options.get("backend", TORCH),
        tile=setting.options.get("tile", AUTO),
        height=setting.height,
        width=setting.width,
        seconds=seconds,
        seconds_a_megapixel=seconds / pixels * 1e6,
        spread=float(high - low) / seconds,
        start_up=worker.start_up,
        memory=worker.memory,
        above_start=worker.above_start,
        of_peak=operations and operations * pixels / seconds / float(best[0]),
        of_bandwidth=moved and moved * pixels / seconds / float(best[1]),
        first_picture=median(times.first[1:]) if times.first else None,
        busy_ratio=median(times.busy[1:]) / seconds if times.busy else None,
    )


def _sees_all(setting: Setting, card: Card) -> bool:
    """Whether every pixel goes through the network, not a reduced picture."""
    options = setting.options
    reduce_to = resolve_policy(options.get("tile", AUTO), options.get("overlap"), card).reduce_to
    return not reduce_to or min(setting.height, setting.width) <= reduce_to


def _demand(card: Card, dtype: torch.dtype) -> tuple[float, float]:
    """Operations, and bytes read and written, for a pixel."""
    with torch.device("meta"):
        network = build(card.network).to(dtype).requires_grad_(False)
        picture = torch.empty(1, 3, _COUNTED, _COUNTED)
        with FlopCounterMode(display=False) as counter, _Moved() as moved:
            network(picture)
    pixels = _COUNTED**2
    return counter.get_total_flops() / pixels, moved.bytes / pixels


class _Moved(TorchDispatchMode):
    """Adds up the bytes of what every operation reads and writes; views move nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        if not function.is_view:
            for tensor in tree_leaves((args, kwargs, result)):
                if isinstance(tensor, torch.Tensor):
                    self.bytes += tensor.numel() * tensor.element_size()
        return result


@contextmanager
def located(names: Sequence[str]) -> Iterator[list[store.Model]]:
    """Models by name or file, by default every head's own. A variant's name, such as S-2, stands
    for a network of that shape with random weights, which takes as long as a trained one."""
    with TemporaryDirectory() as folder:
        yield [
            _untrained(name, Path(folder)) if name in variants() else store.locate(name)
            for name in names
        ] or [store.find(task) for task in HEADS]


def _untrained(variant: str, folder: Path) -> store.Model:
    path = folder / f"{variant}.safetensors"
    network = initialise(build(variants()[variant]), torch.Generator().manual_seed(0))
    card = Card(name=variant, task=next(iter(HEADS)), network=network.config, sha256="")
    return store.Model(path, weights.save(network, card, path), "file")


def settings_for(
    models: Sequence[store.Model],
    size: tuple[int, int],
    device: str,
    precisions: Sequence[str],
    backends: Sequence[str],
    against: Path | None,
    tiles: Sequence[str] = (AUTO,),
) -> list[Setting]:
    """Every combination; those of the version in the folder ``against`` next to ours. Raises
    `UsageError` where that holds none."""
    if against and not (against / "restore" / "__init__.py").is_file():
        raise UsageError(f"{against}: holds no version of restore; name a checkout's folder")
    versions = [HERE, *([str(against.resolve())] if against else [])]
    return [
        Setting(
            model.card.task,
            _file(model, version),
            *size,
            _options(device, precision, backend) | {"tile": tile},
            version,
        )
        for model in models
        for tile in tiles
        for backend in backends
        for precision in ([FLOAT32] if backend == ONNXRUNTIME else precisions)
        for version in versions
    ]


def _file(model: store.Model, version: str) -> str:
    """Of a model that ships with both versions, the one's own: it may not know what stands on the
    other's card."""
    if version != HERE and model.origin == "shipped":
        for folder in ("restore/weights", "weights"):  # installed, and in a checkout
            own = Path(version, folder, model.path.name)
            if own.is_file():
                return str(own)
    return str(model.path)


def _options(device: str, precision: str, backend: str) -> dict[str, Any]:
    named = {} if backend == TORCH else {"backend": backend}  # older versions know no other
    return {"device": device, "precision": precision, **named}


def table(rows: Sequence[Speed]) -> str:
    """For people: a line a setting."""
    header = (
        *("model", "precision", "s/MP", "spread", "of peak", "of bandwidth"),
        *("memory", "above start", "start", "first picture", "busy / quiet"),
    )
    lines = [header, *(_cells(row) for row in rows)]
    filled = [i for i in range(len(header)) if any(line[i] for line in lines[1:])]
    lines = [tuple(line[i] for i in filled) for line in lines]
    widths = [max(len(line[i]) for line in lines) for i in range(len(filled))]
    text = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) for line in lines]
    first = rows[0]
    where = f"{first.width} x {first.height}, {first.device}, {torch.get_num_threads()} threads"
    return "\n".join((*text, where))


def _cells(row: Speed) -> tuple[str, ...]:
    backend = "" if row.backend == TORCH else f" {row.backend}"
    tile = "" if row.tile == AUTO else f" tile {row.tile}"
    fractions = (f"{value:.0%}" if value else "-" for value in (row.of_peak, row.of_bandwidth))
    return (
        f"{row.model}{version_told(row.version)}",
        f"{row.precision}{backend}{tile}",
        f"{row.seconds_a_megapixel:.2f}",
        f"{row.spread:.0%}",
        *fractions,
        *(f"{value / 2**20:.0f} MiB" for value in (row.memory, row.above_start)),
        f"{row.start_up:.1f} s",
        "" if row.first_picture is None else f"{row.first_picture:.1f} s",
        "" if row.busy_ratio is None else f"{row.busy_ratio:.2f}",
    )
