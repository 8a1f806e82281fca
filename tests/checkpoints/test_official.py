"""Reading official checkpoints: strict, and clear about what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import golden_cases
import numpy as np
import packages
import pytest
import torch

from restore.checkpoints import official
from restore.errors import CheckpointError
from restore.networks.maxim import MaximConfig
from restore.networks.maxim.network import Maxim

Arrays = dict[str, np.ndarray]
CASE = golden_cases.load(golden_cases.HERE, "small")
CONFIG = MaximConfig.from_dict(CASE.config)
KEY = "opt/target/stage_0_encoder_block_0/Conv_0/kernel"


def write(folder: Path, arrays: Arrays) -> Path:
    path = folder / "checkpoint.npz"
    np.savez(path, **arrays)
    return path


def test_optimizer_state_is_ignored(tmp_path: Path) -> None:
    beside = {"opt/state/step": np.array(7), "opt/state/param_states/x/grad_ema": np.zeros(3)}
    model = official.load(write(tmp_path, CASE.arrays | beside), CONFIG)
    assert isinstance(model, Maxim)


def test_every_array_is_used_once(tmp_path: Path) -> None:
    model = official.load(write(tmp_path, CASE.arrays), CONFIG)
    assert sum(p.numel() for p in model.parameters()) == sum(a.size for a in CASE.arrays.values())


def test_a_transposed_convolution_is_flipped(tmp_path: Path) -> None:
    key = "opt/target/stage_0_decoder_block_0/ConvTranspose_0/kernel"
    model = official.load(write(tmp_path, CASE.arrays), CONFIG)
    grow = official.official_modules(model)["stage_0_decoder_block_0/ConvTranspose_0"]
    kernel = CASE.arrays[key]  # h, w, in, out
    assert isinstance(grow.weight, torch.Tensor)
    np.testing.assert_array_equal(grow.weight[1, 2].detach().numpy(), kernel[::-1, ::-1, 1, 2])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.pop(KEY), f"is missing {KEY}"),
        (lambda a: a.update({"opt/target/stage_9_x/kernel": np.zeros(3)}), "stage_9_x/kernel"),
        (lambda a: a.update({KEY: a[KEY][..., :-1]}), f"{KEY} has shape"),
        (lambda a: a.update({KEY: a[KEY].astype(int)}), f"{KEY} is int64"),
        (lambda a: a.clear() or a.update({"x": np.zeros(2)}), "not a MAXIM checkpoint"),
    ],
    ids=["missing", "extra", "misshapen", "integers", "foreign"],
)
def test_a_wrong_array_is_named(
    tmp_path: Path, change: Callable[[Arrays], object], message: str
) -> None:
    arrays = dict(CASE.arrays)
    change(arrays)
    with pytest.raises(CheckpointError, match=message):
        official.load(write(tmp_path, arrays), CONFIG)


COARSE = "opt/target/stage_1_output_conv_1"


def test_the_coarse_outputs_of_the_last_stage_may_be_absent(tmp_path: Path) -> None:
    whole = official.load(write(tmp_path, CASE.arrays), CONFIG)
    arrays = {name: a for name, a in CASE.arrays.items() if not name.startswith(COARSE)}
    assert len(arrays) == len(CASE.arrays) - 2
    model = official.load(write(tmp_path, arrays), CONFIG)
    for name, value in whole.state_dict().items():
        found = model.state_dict()[name]
        if name.startswith("stages.1.output_convs.1."):
            assert not found.any()
        else:
            assert torch.equal(found, value), name
    image = torch.from_numpy(CASE.image).permute(0, 3, 1, 2)
    assert torch.equal(model(image), whole(image))


@pytest.mark.parametrize(
    "name",
    [
        f"{COARSE}/bias",
        "opt/target/stage_0_supervised_attention_module_1/Conv_1/kernel",
        "opt/target/stage_1_output_conv_0/bias",
    ],
)
def test_no_other_output_may_be_absent(tmp_path: Path, name: str) -> None:
    arrays = {key: array for key, array in CASE.arrays.items() if key != name}
    with pytest.raises(CheckpointError, match=f"is missing {name}"):
        official.load(write(tmp_path, arrays), CONFIG)


def test_a_package_and_a_checkpoint_become_the_same_network(tmp_path: Path) -> None:
    arrays = packages.traced(packages.small_arrays())
    folder = packages.package(arrays).write_folder(tmp_path / "p")
    ours = official.load(folder / "model.json", CONFIG).state_dict()
    theirs = official.load(
        write(tmp_path, {f"opt/target/{name}": array for name, array in arrays.items()}), CONFIG
    ).state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_names_without_cross_gating_and_global_mlp() -> None:
    """The configurations that no golden case covers: numbered convolutions, plain fusions."""
    with torch.device("meta"):
        model = Maxim(
            MaximConfig(
                features=4,
                depth=2,
                num_stages=2,
                use_cross_gating=False,
                use_global_mlp=False,
                use_bias=False,
            )
        )
    names = official.official_shapes(model)
    # Per stage and level a 1x1 and a 3x3 convolution, deepest level first.
    assert names["Conv_0/kernel"] == (16, 8)
    assert names["Conv_1/kernel"] == (3, 3, 8, 8)
    assert names["Conv_7/kernel"] == (3, 3, 4, 4)
    assert "stage_1_input_catconv_0/kernel" in names
    # The bottleneck keeps its multi-axis blocks, and norms keep their biases.
    assert "stage_0_global_block_0/SplitHeadMultiAxisGmlpLayer_0/out_project/kernel" in names
    assert not any("encoder_block_0/SplitHead" in name for name in names)
    assert all("orm" in name for name in names if name.endswith("bias"))
    # Later stages fuse the previous one's features by cross-gating all the same.
    assert "stage_1_encoder_block_0/cross_gating_block/Conv_0/kernel" in names
