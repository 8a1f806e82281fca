"""The tiny model as an ONNX file: exported once for all tests, as that takes a while."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pytest
from models import save_model

from restore.checkpoints import store
from restore.export.onnx_files import cached


@dataclass(frozen=True)
class Exported:
    """``home`` is a cache folder that holds ``file``, made of ``model`` at its first use."""

    home: Path
    model: Path
    file: Path


@lru_cache(maxsize=1)
def tiny() -> Exported:
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    home = folder / "home"
    model = save_model(folder, licence="CC0")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RESTORE_HOME", str(home))
        return Exported(home, model, cached(store.locate(model)))
