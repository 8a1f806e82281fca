"""Write ``tests/golden/small``: a case of our own network, for checkouts without the official ones.

    python tests/support/make_golden.py

Run it only when all official cases pass (`pytest tests/networks/test_parity.py` with ``../shared``
next to the checkout), since its numbers are those of this network.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import golden_cases
import numpy as np
import torch

from restore.checkpoints import official
from restore.networks.maxim import MaximConfig
from restore.networks.maxim.network import Maxim

CONFIG = {
    "features": 4,
    "depth": 2,
    "num_stages": 2,
    "num_groups": 1,
    "num_supervision_scales": 2,
    "num_bottleneck_blocks": 1,
    "high_res_stages": 1,
    "block_size_hr": [4, 2],
    "grid_size_hr": [2, 4],
    "block_size_lr": [2, 2],
    "channels_reduction": 2,
}
SEED, INPUT_SEED, INPUT_SHAPE = 31, 32, [1, 16, 24, 3]
MODULES = (
    "UpSampleRatio_1",
    "UpSampleRatio_2",
    "stage_0_encoder_block_0/SplitHeadMultiAxisGmlpLayer_0/GridGmlpLayer",
    "stage_0_encoder_block_0/SplitHeadMultiAxisGmlpLayer_0/BlockGmlpLayer",
    "stage_0_encoder_block_0",
    "stage_0_global_block_0",
    "stage_0_cross_gating_block_0",
    "stage_0_decoder_block_1",
    "stage_0_supervised_attention_module_1",
    "stage_1_input_fuse_sam_1",
)


def main() -> None:
    config = MaximConfig.from_dict(CONFIG)
    with torch.device("meta"):
        table = official.official_shapes(Maxim(config))
    shapes = {name: list(shape) for name, shape in sorted(table.items())}
    case = golden_cases.GoldenCase(
        "small", CONFIG, golden_cases.draw(shapes, SEED), np.zeros(0), {}
    )
    with tempfile.TemporaryDirectory() as folder:
        model = official.load(case.write_checkpoint(Path(folder)), config)
    image = np.random.default_rng(INPUT_SEED).random(INPUT_SHAPE, dtype=np.float32)
    expected = {}

    def keep(path: str) -> None:
        def hook(module: object, inputs: object, output: object) -> None:
            for n, value in enumerate(output if isinstance(output, tuple) else (output,)):
                expected[f"module/{path}/{n}"] = value.numpy()

        official.official_modules(model)[path].register_forward_hook(hook)

    for path in MODULES:
        keep(path)
    with torch.no_grad():
        for s, stage in enumerate(model.outputs(torch.from_numpy(image).permute(0, 3, 1, 2))):
            for k, picture in enumerate(stage):
                expected[f"stage{s}/scale{k}"] = picture.permute(0, 2, 3, 1).numpy()
    golden_cases.HERE.mkdir(exist_ok=True)
    header = {
        "config": CONFIG,
        "seed": SEED,
        "input_seed": INPUT_SEED,
        "input_shape": INPUT_SHAPE,
        "shapes": shapes,
    }
    (golden_cases.HERE / "small.json").write_text(json.dumps(header, separators=(",", ":")) + "\n")
    np.savez_compressed(golden_cases.HERE / "small.npz", **expected)


if __name__ == "__main__":
    main()
