"""The network, plain and fast, computes what the official model computes, module by module.

The case in ``tests/golden`` always runs; those of the workplace run where they are.
"""

from __future__ import annotations

from pathlib import Path

import golden_cases
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from restore.checkpoints import official
from restore.networks.fast import optimise
from restore.networks.maxim import MaximConfig
from restore.networks.maxim.network import Maxim

TOLERANCE = 1e-5  # times max(1, max |reference|), float32


def cases() -> list[tuple[Path, str]]:
    folders = (golden_cases.HERE, golden_cases.SHARED)
    return [(folder, name) for folder in folders for name in golden_cases.names(folder)]


@pytest.mark.parametrize("form", ["plain", "fast"])
@pytest.mark.parametrize(
    ("folder", "name"), cases(), ids=lambda value: getattr(value, "name", value)
)
def test_every_golden_array(folder: Path, name: str, form: str, tmp_path: Path) -> None:
    case = golden_cases.load(folder, name)
    model = official.load(case.write_checkpoint(tmp_path), MaximConfig.from_dict(case.config))
    image = torch.from_numpy(case.image).permute(0, 3, 1, 2)
    tested = model if form == "plain" else optimise(model)
    found = record_modules(model, tested, case.expected)
    with torch.inference_mode():
        restored = tested(image).permute(0, 2, 3, 1)
        outputs = model.outputs(image)
    for s, stage in enumerate(outputs):
        for k, picture in enumerate(stage):
            found[f"stage{s}/scale{k}"] = picture.permute(0, 2, 3, 1)

    assert found.keys() == case.expected.keys()
    for key, reference in case.expected.items():
        assert_close(found[key], reference, key)
    finest = f"stage{len(outputs) - 1}/scale{len(outputs[-1]) - 1}"
    assert_close(restored, case.expected[finest], "forward")


def record_modules(
    model: Maxim, tested: nn.Module, wanted: dict[str, np.ndarray]
) -> dict[str, Tensor]:
    """Record the results of the modules named ``module/<official path>/<n>``.

    They are filled in by the next run of ``tested``, which is the model or its fast form."""
    found: dict[str, Tensor] = {}
    modules = official.official_modules(model)
    names = {module: name for name, module in model.named_modules()}

    def listen(path: str) -> None:
        def keep(module: nn.Module, inputs: object, output: Tensor | tuple[Tensor, ...]) -> None:
            for n, value in enumerate(output if isinstance(output, tuple) else (output,)):
                if (key := f"module/{path}/{n}") in wanted:
                    # Mixes return views, and later layers may write over a map.
                    found[key] = value.clone()

        tested.get_submodule(names[modules[path]]).register_forward_hook(keep)

    for path in {key[len("module/") :].rpartition("/")[0] for key in wanted if "module/" in key}:
        listen(path)
    return found


def assert_close(found: Tensor, reference: np.ndarray, key: str) -> None:
    assert tuple(found.shape) == reference.shape, key
    error = float(np.abs(found.numpy() - reference).max())
    assert error <= TOLERANCE * max(1.0, float(np.abs(reference).max())), f"{key}: {error:.2e}"


def test_the_shared_cases_are_found_where_shared_exists() -> None:
    if not golden_cases.SHARED.is_dir():
        pytest.skip(f"{golden_cases.SHARED} is not here")
    assert set(golden_cases.names(golden_cases.SHARED)) >= {"tiny-2stage", "s3-official"}
