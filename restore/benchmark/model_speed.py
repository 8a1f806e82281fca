"""Speed and memory of models on this machine, as fractions of its peak.

Each setting runs in a process of its own. All settings, and those of another version of this
program, take turns in each round, so that a machine that slows down slows all of them equally.
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
    """The figures of one setting.

    ``seconds``: median of all rounds except the first; ``spread``: their interquartile range
    divided by it. ``start_up``: seconds from starting Python to a loaded model. ``memory``: peak of
    the process in bytes; ``above_start``: the part of it above program, model and input.
    ``of_peak``: fraction of the machine's convolution peak. ``of_bandwidth``: fraction of the copy
    bandwidth, if the inputs and outputs of every layer are moved once. Both are None if the network
    does not see the whole image. ``first_picture``: seconds from starting Python to the first
    restored image. ``busy_ratio``: time among busy processes divided by ``seconds``. Both are None
    if not measured.
    """

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
    """Seconds of every round: alone, among busy processes, and to the first image."""

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
    """Run every setting ``rounds`` times, after a first round that does not count.

    With ``busy``, every round has a second part in which that many other processes compute. With
    ``first``, every round also starts a process for each setting and times its first image. Raises
    `RestoreError` for a setting that cannot run.
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
    """Whether every pixel goes through the network, rather than a reduced image."""
    options = setting.options
    reduce_to = resolve_policy(options.get("tile", AUTO), options.get("overlap"), card).reduce_to
    return not reduce_to or min(setting.height, setting.width) <= reduce_to


def _demand(card: Card, dtype: torch.dtype) -> tuple[float, float]:
    """Return operations, and bytes read and written, per pixel."""
    with torch.device("meta"):
        network = build(card.network).to(dtype).requires_grad_(False)
        picture = torch.empty(1, 3, _COUNTED, _COUNTED)
        with FlopCounterMode(display=False) as counter, _Moved() as moved:
            network(picture)
    pixels = _COUNTED**2
    return counter.get_total_flops() / pixels, moved.bytes / pixels


class _Moved(TorchDispatchMode):
    """Adds up the bytes that every operation reads and writes; views count as none."""

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
    """Provide models by name or file, by default the standard one of every head. A variant's name,
    such as S-2, stands for a network of that shape with random weights, which has the speed of a
    trained one."""
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
    """Return every combination of the arguments. With ``against``, the folder of another version,
    each setting is followed by that version's. Raises `UsageError` if the folder holds no version.
    """
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
    """Return the model file for a version. A shipped model is taken from that version's own files,
    since it may not read newer cards."""
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
    """Return the figures as text, one line per setting."""
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
