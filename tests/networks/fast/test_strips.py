"""A network made fast computes the same as the plain one, and in strips in less memory."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from restore.benchmark.footprint import PEAK
from restore.errors import SizeError
from restore.networks import initialise
from restore.networks.fast import FastMaxim, RowStrips, WholeMaps
from restore.networks.maxim import VARIANTS, MaximConfig
from restore.networks.maxim.network import Maxim

NEAR = 1e-5


def build(**changes: object) -> FastMaxim:
    sizes = {"block_size_hr": (2, 4), "block_size_lr": 2, "grid_size_hr": (4, 2)}
    config = MaximConfig(**({"features": 4} | sizes | changes))  # type: ignore[arg-type]
    return FastMaxim(initialise(Maxim(config), torch.Generator().manual_seed(3), False).eval())


def picture(height: int, width: int, count: int = 1) -> torch.Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(4))


@settings(max_examples=25, deadline=None)
@given(
    depth=st.integers(1, 3),
    stages=st.integers(1, 2),
    cross_gating=st.booleans(),
    global_mlp=st.booleans(),
    stem=st.sampled_from([1, 2]),
    count=st.integers(1, 2),
    most=st.sampled_from([1, 200, 1000, 5000]),
    windows=st.sampled_from([(1, 1), (1, 2), (3, 1), (2, 2)]),
    recomputes=st.booleans(),
)
def test_strips_compute_the_same_as_whole_maps(
    depth: int,
    stages: int,
    cross_gating: bool,
    global_mlp: bool,
    stem: int,
    count: int,
    most: int,
    windows: tuple[int, int],
    recomputes: bool,
) -> None:
    model = build(
        depth=depth,
        num_stages=stages,
        num_supervision_scales=depth,
        use_cross_gating=cross_gating,
        use_global_mlp=global_mlp,
        stem_factor=stem,
    )
    rows, columns = model.config.size_multiple
    x = picture(2 * rows * windows[0], columns * windows[1], count)
    with torch.inference_mode():
        whole = model(x, WholeMaps(windows))
        strips = model(x, RowStrips(most, windows, recomputes))
    # Norms over as few as four channels amplify rounding.
    torch.testing.assert_close(strips, whole, rtol=10 * NEAR, atol=10 * NEAR)


@pytest.mark.parametrize("windows", [(1, 1), (2, 2)])
def test_strips_of_an_official_network(windows: tuple[int, int]) -> None:
    plain = initialise(Maxim(VARIANTS["S-1"]), torch.Generator().manual_seed(1), False).eval()
    model = FastMaxim(plain)
    x = picture(128, 192 if windows == (1, 1) else 256)
    with torch.inference_mode():
        whole = model(x, WholeMaps(windows))
        strips = model(x, RowStrips(1 << 16, windows, True))
    assert (strips - whole).abs().max() <= NEAR * max(1, float(whole.abs().max()))


def test_only_convolutions_cross_the_border_of_a_window() -> None:
    model = build(depth=1, num_stages=1)
    x = picture(64, 256)
    other = x.clone()
    other[:, :, :, 192:] += 1  # of the second window, far from its border
    with torch.inference_mode():
        apart = (model(x, WholeMaps((1, 2))) - model(other, WholeMaps((1, 2))))[..., :16]
        together = (model(x) - model(other))[..., :16]
    # Convolutions cross the border, and the mixes after them spread the difference.
    assert float(apart.abs().max()) < 0.2 * float(together.abs().max())


def test_a_size_that_windows_do_not_divide_is_refused() -> None:
    model = build(depth=1)
    rows, columns = model.config.size_multiple
    with pytest.raises(SizeError, match=str(2 * rows)):
        model(picture(rows, 2 * columns), WholeMaps((2, 2)))


MEASURED = f"""{PEAK}
import torch
from restore.networks import initialise
from restore.networks.fast import RowStrips, optimise
from restore.networks.maxim import VARIANTS
from restore.networks.maxim.network import Maxim
torch.set_num_threads(1)
model = initialise(Maxim(VARIANTS["S-1"]), torch.Generator().manual_seed(0)).eval()
model.requires_grad_(False)
exact = sys.argv[1] == "exact"
walk = [RowStrips(1 << 18, recomputes=True)] if exact else []
model = optimise(model) if exact else model
with torch.inference_mode(exact):
    model(torch.rand(1, 3, 64, 64), *walk)
    before = peak()
    model(torch.rand(1, 3, 384, 384), *walk)
print(peak() - before)
"""


def test_strips_hold_less() -> None:
    # Every map on its own pages: the C library's losses between maps vary by a third.
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "131072"}
    taken = {
        walk: int(subprocess.check_output([sys.executable, "-c", MEASURED, walk], env=environment))
        for walk in ("exact", "plain")
    }
    assert taken["exact"] < 0.6 * taken["plain"]
