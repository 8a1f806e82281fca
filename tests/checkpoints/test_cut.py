"""A network that is stopped after a stage is what that stage was supervised to make, for less."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import golden_cases
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from models import TINY
from torch.utils.flop_counter import FlopCounterMode

from restore import Restorer
from restore.checkpoints import official, store, weights
from restore.checkpoints.card import Card, Figure, TilePolicy, TrainingSet, read_card
from restore.checkpoints.cut import cut, cut_model, read_network, write_cut
from restore.errors import CheckpointError, UsageError
from restore.networks import initialise
from restore.networks.maxim import VARIANTS, MaximConfig
from restore.networks.maxim.network import Maxim

THREE = replace(TINY, num_stages=3, num_supervision_scales=2)
NEAR = 1e-5


def made(config: MaximConfig, seed: int = 0) -> Maxim:
    """Random weights, of image convolutions as well: these begin as zero."""
    generator = torch.Generator().manual_seed(seed)
    network = initialise(Maxim(config), generator).eval().requires_grad_(False)
    for name, weight in network.named_parameters():
        if ("conv_image" in name or "output_convs" in name) and weight.ndim > 1:
            weight.normal_(0, 0.01, generator=generator)
    return network


def noise(config: MaximConfig, seed: int = 0) -> torch.Tensor:
    rows, columns = config.size_multiple
    return torch.rand(1, 3, rows, 2 * columns, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> store.Model:
    """Three stages, as a file whose card has figures of all of them and of the first."""
    network = made(THREE)
    path = tmp_path_factory.mktemp("stages") / "three.safetensors"
    card = Card(
        name="three",
        task="denoise",
        network=THREE,
        sha256="",
        licence="CC0",
        paper="a paper",
        limits="a limit",
        tile=TilePolicy(64, 16, 64 * 64),
        training_patch=64,
        training_data=(TrainingSet("a set", "CC0"),),
        memory={"cpu": {"float32": 1000.0}},
        figures=(
            Figure("a set", "PSNR", 30.0, "ours"),
            Figure("a set", "PSNR", 29.0, "ours", stages=1),
        ),
        source={"url": "somewhere"},
    )
    weights.save(network, card, path)
    return store.locate(path)


@settings(deadline=None, max_examples=10)
@given(
    st.integers(1, 3),
    st.integers(0, 2),
    st.sampled_from([1, 2]),
    st.sampled_from([1, 2]),
    st.booleans(),
    st.integers(0, 99),
)
def test_the_output_is_the_finest_image_of_the_last_stage_kept(
    kept: int, more: int, scales: int, stem: int, gated: bool, seed: int
) -> None:
    config = replace(
        TINY,
        num_stages=kept + more,
        num_supervision_scales=scales,
        stem_factor=stem,
        use_cross_gating=gated,
    )
    network, x = made(config, seed), noise(config, seed)
    shorter = cut(network, kept)
    assert shorter.config == replace(config, num_stages=kept)
    with torch.no_grad():
        expected = network.outputs(x)[kept - 1]
        torch.testing.assert_close(shorter(x), expected[-1], rtol=0, atol=NEAR)
        for ours, theirs in zip(shorter.outputs(x)[-1], expected, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=NEAR)


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        (golden_cases.HERE, "small"),
        *((golden_cases.SHARED, f"s{stages}-official") for stages in (2, 3)),
    ],
)
def test_official_weights_are_cut_as_made_up_ones_are(
    folder: Path, name: str, tmp_path: Path
) -> None:
    if not (folder / f"{name}.json").exists():
        pytest.skip("the golden cases of the workplace are not here")
    case = golden_cases.load(folder, name)
    network = official.load(case.write_checkpoint(tmp_path), MaximConfig.from_dict(case.config))
    network.eval().requires_grad_(False)
    x = torch.from_numpy(case.image.transpose(0, 3, 1, 2).copy())
    with torch.no_grad():
        outputs = network.outputs(x)
        for kept in range(1, network.config.num_stages + 1):
            result = cut(network, kept)(x)
            torch.testing.assert_close(result, outputs[kept - 1][-1], rtol=0, atol=NEAR)


@pytest.mark.parametrize("kept", [1, 2])
def test_a_cut_costs_what_its_stages_cost(kept: int) -> None:
    network = made(replace(TINY, num_stages=3))
    network.requires_grad_(True)  # in torch's plain operators, which are all counted

    def operations(network: Maxim) -> int:
        with FlopCounterMode(display=False) as counter:
            network(noise(network.config))
        return counter.get_total_flops()

    share = operations(cut(network, kept)) / operations(network)
    # The first stage is lighter than later ones, which also read the one before.
    assert share < kept / 3
    modules = [name for name, _ in cut(network, kept).named_modules() if name.count(".") == 1]
    assert modules == [f"stages.{i}" for i in range(kept)]


def test_parameters_are_shared_and_the_network_itself_is_returned_whole() -> None:
    network = made(THREE)
    assert cut(network, 3) is network
    shorter = cut(network, 2)
    ours, theirs = shorter.state_dict(), network.state_dict()
    for name in ours.keys() & theirs.keys():
        assert ours[name].data_ptr() == theirs[name].data_ptr()
    assert not shorter.training
    assert not any(p.requires_grad for p in shorter.parameters())


def test_a_cut_of_an_official_variant_is_a_variant() -> None:
    def variant(name: str, stages: int) -> str:
        card = Card("a", "derain", VARIANTS[name], "")
        return cut_model(store.Model(Path("a"), card, "file"), stages).card.variant

    assert variant("S-3", 1) == variant("S-2", 1) == "S-1"
    assert variant("M-3", 2) == "M-2"


@pytest.mark.parametrize(
    ("name", "stages"),
    [(name, n) for name in ("torch", "plain", "onnxruntime") for n in (1, 2, 3)],
)
def test_every_backend_stops(
    name: str,
    stages: int,
    model: store.Model,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    if name == "onnxruntime":
        for extra in ("onnxruntime", "onnx"):
            pytest.importorskip(extra)
    monkeypatch.setenv("RESTORE_HOME", str(tmp_path))
    image = np.random.default_rng(0).random((32, 64, 3), dtype=np.float32)
    options: dict[str, Any] = {"device": "cpu", "precision": "float32", "backend": name}
    restore = Restorer("denoise", model.path, stages=stages, **options)
    with torch.no_grad():
        x = torch.from_numpy(image.transpose(2, 0, 1).copy())[None]
        expected = weights.load(model.path).outputs(x)[stages - 1][-1][0].clamp(0, 1)
    np.testing.assert_allclose(
        restore(image), expected.numpy().transpose(1, 2, 0), rtol=0, atol=1e-4
    )
    assert restore.card.network.num_stages == stages
    assert np.abs(restore(image) - image).max() > 0.01


def test_the_cache_of_onnx_files_tells_cuts_apart(model: store.Model) -> None:
    from restore.export.onnx_files import _key

    keys = {_key(cut_model(model, stages).card) for stages in (None, 1, 2, 3)}
    assert len(keys) == 3


def test_triton_gets_the_cut_network(model: store.Model) -> None:
    pytest.importorskip("triton")
    from restore.networks.fast import optimise
    from restore.networks.fast.triton_kernels import fuse

    fused = fuse(optimise(read_network(cut_model(model, 1))))
    assert len(fused.stages) == 1


@pytest.mark.parametrize("stages", [0, 4, -1, True, 1.0, "1"])
def test_stages_out_of_range_are_one_line(model: store.Model, stages: Any) -> None:
    with pytest.raises(UsageError, match=r"stages is .*; for this model, use a number from 1 to 3"):
        Restorer("denoise", model.path, stages=stages)


def test_the_card_of_a_run_is_that_of_its_part(model: store.Model) -> None:
    part = cut_model(model, 1)
    assert [figure.value for figure in part.card.figures] == [29.0]
    assert part.card.figures[0].stages == 0
    assert cut_model(model, 2).card.figures == ()
    assert cut_model(model, 3) is cut_model(model, None) is model
    assert str(model.card.figures[1]) == "PSNR 29 on a set (ours, stopped after stage 1)"


def test_a_written_cut_is_a_model_of_its_own(model: store.Model, tmp_path: Path) -> None:
    target = tmp_path / "short.safetensors"
    written = write_cut(model, target, 1)
    card = read_card(target)
    assert written == card
    assert card.name == "short"
    for name in ("task", "licence", "paper", "limits", "tile", "training_data", "training_patch"):
        assert getattr(card, name) == getattr(model.card, name)
    assert [figure.value for figure in card.figures] == [29.0]
    assert card.source == {
        "cut_from": {
            "model": "three",
            "sha256": model.card.sha256,
            "stages": 1,
            "source": {"url": "somewhere"},
        }
    }
    network = weights.load(target)
    assert card.parameters == sum(p.numel() for p in network.parameters())
    assert target.stat().st_size < 0.4 * model.path.stat().st_size
    x = noise(THREE)
    with torch.no_grad():
        expected = read_network(cut_model(model, 1))(x)
        torch.testing.assert_close(network(x), expected, rtol=0, atol=0)
    with pytest.raises(UsageError, match="use 1, the only stage there is"):
        Restorer("denoise", target, stages=2)


def test_a_cut_that_cannot_be_written_leaves_nothing(model: store.Model, tmp_path: Path) -> None:
    target = tmp_path / "short.safetensors"
    with pytest.raises(UsageError, match="three has 3 stages; there is nothing to cut"):
        write_cut(model, target, 3)
    with pytest.raises(UsageError, match="from 1 to 3"):
        write_cut(model, target, 5)
    with pytest.raises(CheckpointError, match=r"must end in \.safetensors"):
        write_cut(model, tmp_path / "short.npz", 1)
    assert list(tmp_path.iterdir()) == []
    write_cut(model, target, 1)
    before = target.read_bytes()
    with pytest.raises(CheckpointError, match="exists already"):
        write_cut(model, target, 2)
    assert target.read_bytes() == before
    write_cut(model, target, 2, overwrite=True)
    assert read_card(target).network.num_stages == 2
