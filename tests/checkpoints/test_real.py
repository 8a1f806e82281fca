"""The real official models: fetched as users fetch them, and held to the official code's outputs.

``RESTORE_OFFICIAL_PACKAGES`` names a folder of ``npm pack`` files; without it, npm is asked.
``conftest.pytest_terminal_summary`` prints whether `test_real_package` ran.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import golden_cases
import numpy as np
import pytest
import torch
from command import restore
from PIL import Image

from restore.checkpoints import acquire, npm, verdict, weights, zoo
from restore.errors import UnavailableError
from restore.networks import initialise
from restore.networks.maxim.network import Maxim

# With six other downloads on one line, npm took over 200 s for 53 MB.
pytestmark = pytest.mark.timeout(900)
PINNED = [name for name, entry in zoo.OFFICIAL.items() if entry.pins]
GOLDEN = golden_cases.SHARED / "official-real.npz"
TOLERANCE = 2e-5  # plain float32 gave 1e-6 to 1.2e-5
NAME = "derain-rain13k"
SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.fixture(scope="session")
def golden() -> dict[str, np.ndarray]:
    if not GOLDEN.is_file():
        pytest.skip(f"the official code's outputs are not here ({GOLDEN.name})")
    with np.load(GOLDEN) as archive:
        return dict(archive)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder; and npm gives up before the test's own time is over."""
    monkeypatch.setenv("RESTORE_HOME", str(tmp_path))
    monkeypatch.setattr(npm, "TIMEOUT", 400.0)
    return tmp_path


def fetched(name: str) -> Path:
    """The installed model file of a name."""
    pins = zoo.OFFICIAL[name].pins
    assert pins is not None
    source = "npm"
    if folder := os.environ.get("RESTORE_OFFICIAL_PACKAGES"):
        stem = pins.package.name.removeprefix("@").replace("/", "-")
        source = str(Path(folder) / f"{stem}-{pins.package.version}.tgz")
        if not Path(source).is_file():
            pytest.skip(f"{source} is not there")
    try:
        return acquire.pull(name, pins.package.sha256, source=source).path
    except UnavailableError as error:
        pytest.skip(f"npm could not fetch it: {error}")


def agrees(path: Path, name: str, golden: dict[str, np.ndarray]) -> None:
    """The whole network and its first stage give what the official code gives."""
    model = weights.load(path)
    image = torch.from_numpy(golden[f"{name}--input"].astype(np.float32) / 255)
    batch = image.permute(2, 0, 1)[None]
    for network, output in ((model, "output"), (first_stage(model), "stage1")):
        with torch.inference_mode():
            found = network(batch)[0].permute(1, 2, 0).numpy()
        assert np.abs(found - golden[f"{name}--{output}"]).max() < TOLERANCE, output


def first_stage(model: Maxim) -> Maxim:
    """The first stage as a network of one, whose outputs are those that its attention predicts."""
    state = {}
    for name, value in model.state_dict().items():
        if not name.startswith("stages.0."):
            continue
        if ".attentions." not in name:
            state[name] = value
        elif ".conv_image." in name:
            state[name.replace("attentions", "output_convs").replace("conv_image.", "")] = value
    short = Maxim(replace(model.config, num_stages=1))
    short.load_state_dict(state)
    return short.eval()


@pytest.mark.slow
@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("name", PINNED)
def test_each_known_model_agrees_with_the_official_code(
    name: str, golden: dict[str, np.ndarray]
) -> None:
    path = fetched(name)
    assert verdict.examine(path).word == "official"
    agrees(path, name, golden)


@pytest.mark.slow
def test_real_package(cache: Path) -> None:
    """Pull the official derain model through npm, prove it, and remove rain with it."""
    try:
        path = acquire.pull("derain", source="npm").path
    except UnavailableError as error:
        pytest.skip(f"npm could not fetch it: {error}")
    assert path.name == f"{NAME}.safetensors"
    outcome = restore("weights", "verify", path)
    assert (outcome.code, outcome.stdout) == (0, f"official {path}\n")
    if GOLDEN.is_file():
        with np.load(GOLDEN) as archive:
            agrees(path, NAME, dict(archive))
    with Image.open(SAMPLES / "cat-rainy.png") as rainy, Image.open(SAMPLES / "cat-clean.png") as c:
        box = (0, 0, 128, 128)
        rainy.crop(box).save(cache / "in.png")
        before, clean = (np.asarray(image.crop(box), np.float64) for image in (rainy, c))
    used = restore(*("derain", cache / "in.png", cache / "out.png", "--model", NAME), home=cache)
    assert used.code == 0, used.stderr
    with Image.open(cache / "out.png") as image:
        after = np.asarray(image, np.float64)
    assert np.square(after - clean).mean() < 0.5 * np.square(before - clean).mean()


def test_first_stages_are_whole_networks() -> None:
    from models import TINY

    generator = torch.Generator().manual_seed(0)
    two = initialise(Maxim(replace(TINY, num_stages=2)), generator).eval()
    image = torch.rand(1, 3, 32, 32, generator=generator)
    with torch.inference_mode():
        whole = two.outputs(image)
        assert torch.equal(first_stage(two)(image), whole[0][-1])
