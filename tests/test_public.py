"""The names of `import restore`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from models import MULTIPLE, save_model

import restore
from restore.errors import ModelNotFoundError


def test_dir_lists_the_public_names_and_all_exist() -> None:
    assert dir(restore) == sorted(restore.__all__)
    assert {"Restorer", "restore_file", "models", "load_network", "TASKS"} <= set(dir(restore))
    for name in dir(restore):
        assert getattr(restore, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        restore.nothing  # noqa: B018


def test_models_are_listed_with_head_quality_and_card() -> None:
    found = {model.name: model for model in restore.models()}
    small = found["denoise-small"]
    assert (small.head, small.installed) == ("denoise", True)
    assert small.card.task == "denoise"
    assert small.quality in ("fast", "standard")
    official = found["denoise-sidd"]
    assert (official.head, official.quality) == ("denoise", "best")
    assert repr(small).startswith("Entry(name='denoise-small', head='denoise', quality=")
    assert len(repr(small)) < 100
    assert {model.head for model in found.values()} == set(restore.TASKS)


def test_a_network_is_loaded_by_name_or_file(tmp_path: Path) -> None:
    path = save_model(tmp_path)
    network = restore.load_network(path)
    assert isinstance(network, torch.nn.Module)
    assert not network.training
    image = torch.rand(1, 3, MULTIPLE, 2 * MULTIPLE, generator=torch.Generator().manual_seed(0))
    fix = restore.Restorer("denoise", path, device="cpu", precision="float32", tile="off")
    result = fix(image)
    np.testing.assert_allclose(result, network(image).clamp(0, 1), atol=2e-6)
    by_name = restore.load_network("denoise-small")
    assert sum(p.numel() for p in by_name.parameters()) > 10**5
    with pytest.raises(ModelNotFoundError, match="no model is called 'none'"):
        restore.load_network("none")


def test_a_restorer_says_what_it_is(tmp_path: Path) -> None:
    fix = restore.Restorer("denoise", save_model(tmp_path), device="cpu", strength=0.5)
    assert repr(fix) == (
        "Restorer('denoise', model='tiny', device='cpu', precision='float32', backend='torch', "
        "strength=0.5, ensemble=False)"
    )


def test_listing_models_imports_neither_torch_nor_opencv() -> None:
    code = (
        "import sys, restore\n"
        "dir(restore), restore.models(), restore.errors\n"
        "print([name for name in ('torch', 'cv2', 'PIL') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
