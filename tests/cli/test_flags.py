"""Messages name options as Python has them; the command line shows its own flags."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from command import one_error_line, restore
from PIL import Image

from restore.cli.console import with_flags


@pytest.mark.parametrize(
    ("python", "shell"),
    [
        ("use `device='cpu'`", "use --device cpu"),
        ("use `tile=512` or `max_memory='4GiB'`", "use --tile 512 or --max-memory 4GiB"),
        ("x.png: exists already; give `overwrite=True`", "x.png: exists already; give --overwrite"),
        ("`odd`.png and `a b='c'` are files", "`odd`.png and `a b='c'` are files"),
        ("tile is 'big'", "tile is 'big'"),
    ],
)
def test_options_become_flags_and_nothing_else_changes(python: str, shell: str) -> None:
    assert with_flags(python) == shell


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a CUDA GPU")
def test_an_error_of_the_library_names_flags_in_the_shell(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "in.png")
    outcome = restore("denoise", tmp_path / "in.png", tmp_path / "out.png", "--device", "cuda")
    assert "no usable CUDA GPU; use --device cpu" in one_error_line(outcome)
