from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from models import MULTIPLE, save_model, tiny_network
from torch import Tensor

from restore import Restorer
from restore.checkpoints import store
from restore.engine import torch_backends
from restore.engine.cuda import (
    AFTER,
    LARGEST,
    MOST,
    Capture,
    Gpu,
    Graphs,
    Run,
    captured,
    host_memory,
)
from restore.networks import Pair
from restore.networks.fast import FastMaxim, RowStrips, WholeMaps, optimise

CPU = torch.device("cpu")
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")


class Captures:
    """Stands in for `captured` where there is no GPU: a result lies in memory that the next call
    writes over, as a graph's does. ``errors`` are raised first, one a call."""

    def __init__(self, *errors: Exception, slow: float = 0):
        self.calls, self.replays, self.errors, self.slow = 0, 0, list(errors), slow

    def __call__(self, run: Run, x: Tensor) -> Run:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        result = torch.empty_like(run(x))

        def replay(x: Tensor) -> Tensor:
            self.replays += 1
            result.copy_(run(x))
            time.sleep(self.slow)
            return result

        return replay


def double(x: Tensor) -> Tensor:
    return 2 * x


def picture(side: int, seed: int = 0) -> Tensor:
    return torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(seed))


def ask(graphs: Graphs, sides: Iterable[int], key: str = "") -> None:
    """Run pictures of these sides, each unlike the others; the results are right."""
    for seed, side in enumerate(sides):
        x = picture(side, seed)
        assert torch.equal(graphs(double, x, key), 2 * x)


def test_what_comes_again_and_again_becomes_a_graph() -> None:
    captures = Captures()
    graphs = Graphs(captures)
    ask(graphs, [8] * AFTER)
    assert captures.calls == 0
    ask(graphs, [8] * 5)
    assert (captures.calls, captures.replays) == (1, 5)


def test_every_shape_and_key_has_a_graph_of_its_own() -> None:
    captures = Captures()
    graphs = Graphs(captures)
    for side, key in ((8, "a"), (16, "a"), (8, "b")):
        ask(graphs, [side] * AFTER, key)
    assert captures.calls == 0
    for side, key in ((8, "a"), (16, "a"), (8, "b")) * 2:
        ask(graphs, [side], key)
    assert (captures.calls, captures.replays) == (3, 6)


def test_the_least_recently_used_graph_makes_way() -> None:
    captures = Captures()
    graphs = Graphs(captures)
    sides = range(8, 8 + MOST)
    for side in sides:
        ask(graphs, [side] * (AFTER + 1))
    ask(graphs, [sides[0]])
    ask(graphs, [100] * (AFTER + 1))
    assert captures.calls == MOST + 1
    ask(graphs, [sides[0], *sides[2:], 100])
    assert captures.calls == MOST + 1
    ask(graphs, [sides[1]] * AFTER)
    assert captures.calls == MOST + 1
    ask(graphs, [sides[1]])
    assert captures.calls == MOST + 2


def test_sizes_that_came_long_ago_are_forgotten() -> None:
    captures = Captures()
    graphs = Graphs(captures)
    ask(graphs, [8] * AFTER)
    ask(graphs, range(9, 100))
    ask(graphs, [8])
    assert captures.calls == 0


def test_large_pictures_are_not_worth_a_graph() -> None:
    captures = Captures()
    graphs = Graphs(captures)
    for rows, calls in ((LARGEST // 2 + 1, 0), (LARGEST // 2, 1)):
        x = torch.ones(1, 1, 1, 1).expand(2, 3, rows, 1)
        for _ in range(AFTER + 1):
            assert graphs(lambda x: x[..., :1, :1], x, None).shape == (2, 3, 1, 1)
        assert captures.calls == calls


def test_what_cannot_be_captured_runs_without_and_is_warned_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    captures = Captures(RuntimeError("not\npermitted"), RuntimeError("nor this"))
    graphs = Graphs(captures)
    with caplog.at_level(logging.WARNING, "restore"):
        for side in (8, 16):
            ask(graphs, [side] * (AFTER + 5))
    assert (captures.calls, captures.replays) == (2, 0)
    (record,) = caplog.records
    assert record.name == "restore"
    expected = "no CUDA graph can be made; going on without (not permitted)"
    assert record.getMessage() == expected
    ask(graphs, [24] * (AFTER + 5))
    assert captures.replays == 5


def test_errors_that_have_nothing_to_do_with_graphs_are_raised() -> None:
    graphs = Graphs(Captures(ValueError("a defect")))
    ask(graphs, [8] * AFTER)
    with pytest.raises(ValueError, match="a defect"):
        graphs(double, picture(8), "")


def test_graphs_give_up_their_memory_where_capturing_has_too_little(
    caplog: pytest.LogCaptureFixture,
) -> None:
    captures = Captures()
    graphs = Graphs(captures)
    ask(graphs, [8] * (AFTER + 1))
    captures.errors.append(torch.OutOfMemoryError("out of memory"))
    with caplog.at_level(logging.WARNING, "restore"):
        ask(graphs, [16] * (AFTER + 5))
    assert len(caplog.records) == 1
    ask(graphs, [8] * (AFTER + 5))
    assert (captures.calls, captures.replays) == (2, 1)


def test_graphs_give_up_their_memory_where_a_run_has_too_little() -> None:
    captures = Captures()
    graphs = Graphs(captures)
    runs = 0

    def fits_alone(x: Tensor) -> Tensor:
        nonlocal runs
        runs += 1
        if graphs._graphs:
            raise torch.OutOfMemoryError("out of memory")
        return 2 * x

    ask(graphs, [8] * (AFTER + 1))
    assert torch.equal(graphs(fits_alone, picture(16), ""), 2 * picture(16))
    assert runs == 2
    ask(graphs, [8] * (AFTER + 5))
    assert captures.calls == 1


def test_too_little_memory_without_graphs_is_the_callers_to_see() -> None:
    runs = 0

    def too_large(x: Tensor) -> Tensor:
        nonlocal runs
        runs += 1
        raise torch.OutOfMemoryError("out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        Graphs(Captures())(too_large, picture(8), "")
    assert runs == 1


def network_on(device: torch.device, dtype: torch.dtype, windows: Pair = (1, 1)) -> Run:
    network = optimise(tiny_network().to(device, dtype))
    return lambda x: network(x, RowStrips(1 << 26, windows))


def array(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


@torch.inference_mode()
def test_there_and_back_nothing_is_lost() -> None:
    run = network_on(CPU, torch.float32)
    gpu = Gpu(CPU, Captures())
    pixels = array(2, 3, 64, 96)
    views = [pixels, pixels[::-1, :, ::-1, ::-1], pixels.transpose(0, 2, 3, 1)[:, :, :64]]
    views[1].setflags(write=False)
    views[2] = views[2].transpose(0, 3, 1, 2)
    for view in views:
        x = torch.from_numpy(view.transpose(0, 2, 3, 1).copy()).permute(0, 3, 1, 2)
        expected = run(x).numpy()
        for _ in range(AFTER + 2):
            result = gpu(run, view, ())
            assert (result.dtype, result.shape) == (np.float32, view.shape)
            np.testing.assert_array_equal(result, expected)


@torch.inference_mode()
def test_results_are_float32_and_pictures_channels_last() -> None:
    def half(x: Tensor) -> Tensor:
        assert x.dtype == torch.float32
        assert x.is_contiguous(memory_format=torch.channels_last)
        return x.bfloat16().contiguous()

    result = Gpu(CPU, Captures())(half, array(1, 3, 8, 16), ())
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, array(1, 3, 8, 16), rtol=2**-8)


@pytest.mark.parametrize(
    "walk", [WholeMaps(), WholeMaps((2, 3)), RowStrips(1 << 26), RowStrips(4096, (2, 3))]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@torch.inference_mode()
def test_on_its_way_the_network_reads_no_result(dtype: torch.dtype, walk: WholeMaps) -> None:
    # Which no graph could do. Tensors without contents refuse it as well, and to meet those of
    # a CPU.
    network = optimise(tiny_network().to("meta", dtype))
    x = torch.empty(2, 4 * MULTIPLE, 6 * MULTIPLE, 3, device="meta").permute(0, 3, 1, 2)
    assert network(x, walk).shape == x.shape


def test_a_backend_has_a_graph_for_each_way_of_cutting(tmp_path: Path) -> None:
    plain, graphed = (
        torch_backends.TorchBackend(store.locate(save_model(tmp_path)), "cpu", "float32")
        for _ in range(2)
    )
    captures = Captures()
    graphed._gpu = Gpu(CPU, captures)
    for seed in range(AFTER + 2):
        pixels = array(1, 3, 2 * MULTIPLE, 2 * MULTIPLE, seed=seed)
        for windows in ((1, 1), (2, 2)):
            result, expected = graphed(pixels, windows), plain(pixels, windows)
            np.testing.assert_allclose(result, expected, rtol=0, atol=1e-5)
    assert (captures.calls, captures.replays) == (2, 4)


def test_convolutions_keep_cudnn_and_all_digits() -> None:
    def run(x: Tensor) -> Tensor:
        assert torch.backends.cudnn.enabled
        assert not torch.backends.cudnn.allow_tf32
        return x

    before = torch.backends.cudnn.allow_tf32
    Gpu(CPU, Captures())(run, array(1, 3, 8, 8), ())
    assert torch.backends.cudnn.allow_tf32 == before


def test_threads_do_not_get_each_others_results() -> None:
    check_threads(Gpu(CPU, Captures(slow=0.001)), double)


def check_threads(gpu: Gpu, run: Run) -> None:
    pictures = [array(1, 3, MULTIPLE, MULTIPLE, seed=i) for i in range(24)]
    with torch.inference_mode():
        expected = [gpu(run, one, ()) for one in pictures]

    def work(one: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return gpu(run, one, ())

    with ThreadPoolExecutor(4) as pool:
        for result, one in zip(pool.map(work, pictures), expected, strict=True):
            np.testing.assert_array_equal(result, one)


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a CUDA GPU")
def test_memory_that_cannot_be_page_locked_is_ordinary() -> None:
    assert host_memory((2, 3), pinned=True).shape == (2, 3)


def counted(made: list[Tensor]) -> Capture:
    def capture(run: Run, x: Tensor) -> Run:
        graph = captured(run, x)
        made.append(x)
        return graph

    return capture


def refused(run: Run, x: Tensor) -> Run:
    raise RuntimeError("no graphs are wanted")


@needs_gpu
@pytest.mark.parametrize("windows", [(1, 1), (2, 3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@torch.inference_mode()
def test_a_graph_computes_the_same_on_a_gpu(dtype: torch.dtype, windows: Pair) -> None:
    device, made = torch.device("cuda"), list[Tensor]()
    run = network_on(device, dtype, windows)
    with_graphs, without = Gpu(device, counted(made)), Gpu(device, refused)
    for seed in range(AFTER + 4):
        pixels = array(2, 3, 2 * MULTIPLE, 3 * MULTIPLE, seed=seed)
        expected = without(run, pixels, windows)
        np.testing.assert_array_equal(with_graphs(run, pixels, windows), expected)
    assert len(made) == 1


@needs_gpu
def test_threads_do_not_get_each_others_results_on_a_gpu() -> None:
    device, made = torch.device("cuda"), list[Tensor]()
    gpu = Gpu(device, counted(made))
    check_threads(gpu, network_on(device, torch.float32))
    assert len(made) == 1


@needs_gpu
def test_memory_is_page_locked_for_a_gpu() -> None:
    assert host_memory((2, 3), pinned=True).is_pinned()


@needs_gpu
def test_small_tiles_go_through_a_gpu_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, counts, forward = save_model(tmp_path), list[int](), FastMaxim.forward
    image = np.random.default_rng(1).integers(0, 255, (150, 500, 3), np.uint8, endpoint=True)
    tiles: dict[str, Any] = {"precision": "float32", "tile": 2 * MULTIPLE, "overlap": MULTIPLE // 2}
    expected = Restorer("denoise", model, device="cpu", **tiles)(image)

    def spy(self: FastMaxim, x: Tensor, *walk: Any) -> Tensor:
        counts.append(len(x))
        return forward(self, x, *walk)

    monkeypatch.setattr(FastMaxim, "forward", spy)
    on_gpu = Restorer("denoise", model, device="cuda", **tiles)
    for _ in range(AFTER + 2):  # the last ones as graphs
        assert np.abs(on_gpu(image).astype(int) - expected).max() <= 1
    assert counts[:6] == [6, 5] * 3  # 3 rows of 11


@needs_gpu
@pytest.mark.parametrize("tile", ["auto", 2 * MULTIPLE])
def test_a_gpu_restores_as_a_cpu_does(tmp_path: Path, tile: str | int) -> None:
    model = save_model(tmp_path)
    on_cpu, on_gpu = (
        Restorer("denoise", model, device=device, precision="float32", tile=tile)
        for device in ("cpu", "cuda")
    )
    image = np.random.default_rng(1).integers(0, 255, (150, 200, 3), np.uint8, endpoint=True)
    expected = on_cpu(image)
    for _ in range(AFTER + 2):
        assert np.abs(on_gpu(image).astype(int) - expected).max() <= 1
