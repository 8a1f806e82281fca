"""Restoring a picture loads no library that a minimal Debian lacks, and no training tools."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from models import save_model
from pictures import saved, smooth
from shared_libraries import mapped, needed

ROOT = Path(__file__).resolve().parents[2]
MINIMAL = {
    *("libc.so.6", "libm.so.6", "libmvec.so.1", "libdl.so.2", "libpthread.so.0", "librt.so.1"),
    *("libutil.so.1", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"),
    *("libgcc_s.so.1", "libstdc++.so.6", "libz.so.1"),
}
"""Of the C and C++ compilers' libraries and of zlib: in Debian's smallest installation."""
RUN = """
import json, pkgutil, runpy, sys, warnings
from pathlib import Path

sys.argv[0] = "restore"
try:
    runpy.run_module("restore.cli", run_name="__main__")
except SystemExit as end:
    assert not end.code, end
used = sorted(sys.modules)
import restore
for package in ("media", "networks", "engine", "jobs", "inspect", "checkpoints", "export"):
    found = pkgutil.walk_packages([f"{restore.__path__[0]}/{package}"], f"restore.{package}.")
    for module in found:
        if not module.name.endswith(".triton_kernels"):  # for GPUs
            __import__(module.name)
import av, cv2, imagecodecs, onnx, onnxruntime, PIL.Image, tifffile  # also without torch
PIL.Image.init()
warnings.simplefilter("ignore")
for name in dir(imagecodecs):  # which loads each codec's extension when it is first named
    getattr(imagecodecs, name)
maps = Path("/proc/self/maps")
print(json.dumps([used, sorted(sys.modules), maps.read_text() if maps.exists() else ""]))
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> tuple[set[str], set[str], str]:
    """Modules after `restore denoise`, modules and ``/proc/self/maps`` after all that inference may
    import."""
    folder = tmp_path_factory.mktemp("loaded")
    picture = saved(folder / "in.png", smooth())
    command = ["denoise", picture, folder / "out.png", "--model", save_model(folder), "--quiet"]
    done = subprocess.run(
        [sys.executable, "-c", RUN, *command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (folder / "out.png").is_file()
    used, everything, maps = json.loads(done.stdout)
    return set(used), set(everything), maps


def test_inference_imports_neither_kornia_nor_lpips_nor_scipy_nor_torchvision(
    loaded: tuple[set[str], set[str], str],
) -> None:
    used, everything, _ = loaded
    assert {"torch", "restore.engine.restorer"} <= used
    assert not everything & {"kornia", "lpips", "scipy", "torchvision"}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc and ELF files")
def test_no_library_needs_what_a_minimal_debian_lacks(
    loaded: tuple[set[str], set[str], str],
) -> None:
    ours = {path for path in mapped(loaded[2]) if "site-packages" in path.parts}
    for part in ("cv2", "torch", "PIL", "imagecodecs", "av", "onnx", "onnxruntime"):
        assert any(part in path.parts for path in ours), f"no library of {part} is loaded"
    bundled = {path.name for path in ours}
    lacking = {path.name: missing for path in ours if (missing := needed(path) - bundled - MINIMAL)}
    assert not lacking


@pytest.mark.skipif(sys.platform != "linux", reason="reads ELF files")
def test_the_reader_of_elf_files_agrees_with_the_loader() -> None:
    import cv2

    library = next(Path(cv2.__file__).parent.glob("*.so"))
    lines = subprocess.run(["ldd", library], capture_output=True, text=True, check=True).stdout
    assert "libstdc++.so.6" in needed(library)
    assert needed(library) <= {line.split()[0].rpartition("/")[2] for line in lines.splitlines()}


def test_opencv_comes_without_windows() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert set(re.findall(r"opencv[\w-]*(?=[>=\[\"])", project)) == {"opencv-python-headless"}
