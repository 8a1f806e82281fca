"""How fast and how large the models are here, as fractions of what the machine can do at best.

Every setting runs in a process of its own, round after round in turns, so that a machine that slows
down slows all alike; also that of another version of this program.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from restore.checkpoints import store, weights
from restore.checkpoints.card import FLOAT32, Card
from restore.engine.backend import ONNXRUNTIME, TORCH
from restore.engine.footprint import PEAK
from restore.engine.peak import convolution_peak, memory_bandwidth
from restore.engine.policy import AUTO, asked
from restore.engine.precision import PRECISIONS
from restore.errors import RestoreError, UsageError
from restore.networks import build, initialise, variants
from restore.tasks import TASKS

HERE = "this"
_COUNTED = 256
"""Side of the picture whose operations are counted; the count a pixel is that of any size."""
_WORKER = f"""{PEAK}
import json, time
wanted, folder = json.loads(sys.argv[1]), sys.argv[2]
# Before the folder that this is started in, which Python searches first, and may be a checkout.
sys.path[:] = filter(None, sys.path)
if wanted["version"] != "this" or folder not in sys.path:
    sys.path.insert(0, folder)
import numpy as np
from restore import Restorer
restore = Restorer(wanted["task"], wanted["model"], **wanted["options"])
coarse = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
height, width = wanted["height"], wanted["width"]
image = coarse.repeat(-(-height // 64), 0).repeat(-(-width // 64), 1)[:height, :width].copy()
print(json.dumps([str(restore.compute.device), restore.compute.precision]), flush=True)
import pathlib, psutil
ready, before = psutil.Process().memory_info().rss, peak()
try:
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # what peak() says begins anew
except OSError:
    pass
for line in sys.stdin:
    seconds, end = [], time.perf_counter() + wanted["turn"]
    while not seconds or time.perf_counter() < end:
        started = time.perf_counter()
        restore(image)
        seconds.append(time.perf_counter() - started)
    # The first of several wakes threads and fills caches, which the others' turns have emptied.
    counted = seconds[1:] or seconds
    highest = max(before, peak())
    print(json.dumps([sum(counted) / len(counted), highest, peak() - ready]), flush=True)
"""
_TURN = 1.0
"""Seconds for which a process restores again and again before it is another's turn; the machine's
best is measured in the same way."""


@dataclass(frozen=True)
class Setting:
    """One line of the table. ``version`` is `HERE`, or a folder that holds another ``restore``;
    ``options`` are that `Restorer`'s."""

    task: str
    model: str
    height: int
    width: int
    options: dict[str, Any]
    version: str = HERE


@dataclass(frozen=True)
class Speed:
    """``seconds`` is the median of the turns but the first, ``spread`` their interquartile range
    over it; ``start_up`` the seconds from nothing to a model ready to run; ``memory`` the peak of
    the process in bytes, and ``above_start`` how much of it came after the program, the model and
    the picture were there. ``of_peak`` and ``of_bandwidth`` are how near it comes to the machine's
    convolution peak, and to moving every layer's inputs and outputs once at the rate of a copy;
    None where the network does not see the whole picture."""

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


class _Worker:
    def __init__(self, setting: Setting):
        self.setting = setting
        folder = store.PACKAGE.parent if setting.version == HERE else setting.version
        began = time.perf_counter()
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                _WORKER,
                json.dumps(vars(setting) | {"turn": _TURN}),
                str(folder),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.device, self.precision = self._answer()
        self.start_up = time.perf_counter() - began
        self.seconds: list[float] = []
        self.memory = self.above_start = 0

    def __enter__(self) -> _Worker:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.communicate()

    def run(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        seconds, self.memory, self.above_start = self._answer()
        self.seconds.append(seconds)

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            _, said = self._process.communicate()
            reason = said.strip().splitlines()
            who = f"{self.setting.model}{_version_told(self.setting.version)}"
            raise RestoreError(f"{who}: {reason[-1] if reason else 'was killed'}")
        return json.loads(line)


def measure(
    settings: Sequence[Setting], rounds: int, progress: Callable[[int, int], None]
) -> list[Speed]:
    """Run every setting ``rounds`` times after a first that does not count. Raises `RestoreError`
    for one that cannot run."""
    with ExitStack() as stack:
        workers = [stack.enter_context(_Worker(setting)) for setting in settings]
        peaks: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for done in range(rounds + 1):
            for worker in workers:
                worker.run()
            for place in {(worker.device, worker.precision) for worker in workers}:
                device, dtype = torch.device(place[0]), PRECISIONS[place[1]]
                measured = convolution_peak(device, dtype), memory_bandwidth(device)
                peaks.setdefault(place, []).append(measured)
            progress(done + 1, rounds + 1)
    return [_speed(w, np.median(peaks[w.device, w.precision], axis=0)) for w in workers]


def _speed(worker: _Worker, best: np.ndarray) -> Speed:
    setting = worker.setting
    times = worker.seconds[1:]
    seconds = median(times)
    low, high = np.percentile(times, (25, 75))
    pixels = setting.height * setting.width
    card = store.find(setting.task, setting.model).card
    operations, moved = None, None
    if _sees_all(setting, card):
        operations, moved = _demand(card, PRECISIONS[worker.precision])
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
    )


def _sees_all(setting: Setting, card: Card) -> bool:
    """Whether every pixel goes through the network, not a reduced picture."""
    options = setting.options
    reduce_to = asked(options.get("tile", AUTO), options.get("overlap"), card).reduce_to
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
        ] or [store.find(task) for task in TASKS]


def _untrained(variant: str, folder: Path) -> store.Model:
    path = folder / f"{variant}.safetensors"
    network = initialise(build(variants()[variant]), torch.Generator().manual_seed(0))
    card = Card(name=variant, task=next(iter(TASKS)), network=network.config, sha256="")
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
        *("memory", "above start", "start"),
    )
    lines = [header, *(_cells(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    text = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) for line in lines]
    first = rows[0]
    where = f"{first.width} x {first.height}, {first.device}, {torch.get_num_threads()} threads"
    return "\n".join((*text, where))


def _cells(row: Speed) -> tuple[str, ...]:
    backend = "" if row.backend == TORCH else f" {row.backend}"
    tile = "" if row.tile == AUTO else f" tile {row.tile}"
    fractions = (f"{value:.0%}" if value else "-" for value in (row.of_peak, row.of_bandwidth))
    return (
        f"{row.model}{_version_told(row.version)}",
        f"{row.precision}{backend}{tile}",
        f"{row.seconds_a_megapixel:.2f}",
        f"{row.spread:.0%}",
        *fractions,
        *(f"{value / 2**20:.0f} MiB" for value in (row.memory, row.above_start)),
        f"{row.start_up:.1f} s",
    )


def _version_told(version: str) -> str:
    return "" if version == HERE else f" ({version})"
