from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from restore.errors import CheckpointError, DownloadError, ImageError, UsageError
from restore.evaluate.perceptual import BACKBONES, VARIABLE, Lpips

SHARED = Path(__file__).resolve().parents[3] / "shared" / "lpips"
SQUEEZE = {  # fire modules of SqueezeNet 1.1: channels in, squeezed, expanded by each of two
    **{3: (64, 16, 64), 4: (128, 16, 64), 6: (128, 32, 128), 7: (256, 32, 128)},
    **{9: (256, 48, 192), 10: (384, 48, 192), 11: (384, 64, 256), 12: (512, 64, 256)},
}
ALEX = {0: (3, 64, 11), 3: (64, 192, 5), 6: (192, 384, 3), 8: (384, 256, 3), 10: (256, 256, 3)}


def features(net: str) -> dict[str, torch.Tensor]:
    """Random ones, scaled so that activations keep their size."""
    convolutions = {str(i): shape for i, shape in ALEX.items()}
    if net == "squeeze":
        convolutions = {"0": (3, 64, 3)}
        for i, (inputs, squeezed, expanded) in SQUEEZE.items():
            convolutions[f"{i}.squeeze"] = (inputs, squeezed, 1)
            convolutions[f"{i}.expand1x1"] = (squeezed, expanded, 1)
            convolutions[f"{i}.expand3x3"] = (squeezed, expanded, 3)
    generator = torch.Generator().manual_seed(0)
    tensors = {}
    for name, (inputs, outputs, side) in convolutions.items():
        weight = torch.randn(outputs, inputs, side, side, generator=generator)
        tensors[f"features.{name}.weight"] = weight * math.sqrt(2 / (inputs * side**2))
        tensors[f"features.{name}.bias"] = torch.zeros(outputs)
    return tensors


@pytest.fixture(scope="session")
def random_backbones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lpips")
    for net, name in BACKBONES.items():
        save_file(features(net), folder / name)
    return folder


@pytest.fixture(autouse=True)
def nothing_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No backbone but what a test puts somewhere, and no network."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("RESTORE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")  # nothing listens there
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)


def pictures(height: int = 40, width: int = 48) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return list(random.integers(0, 256, (2, height, width, 3), np.uint8))


@pytest.mark.parametrize(("net", "expected"), [("squeeze", 0.1008), ("alex", 0.14856)])
def test_distances_are_those_of_the_published_networks(
    net: str, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not (SHARED / BACKBONES[net]).is_file():
        pytest.skip(f"{SHARED / BACKBONES[net]} is not here")
    monkeypatch.setenv(VARIABLE, str(SHARED))
    lpips = Lpips(net)
    generator = torch.Generator().manual_seed(123)
    first, second = (torch.rand(10, 3, 100, 100, generator=generator) * 2 - 1 for _ in range(2))
    with torch.inference_mode():
        distance = float(lpips.network(first, second).mean())
    assert distance == pytest.approx(expected, abs=6e-5)
    # The same through pictures, which hold the values rounded to 1/255.
    images = [
        np.rint((batch[0].permute(1, 2, 0).numpy() + 1) * 127.5).astype(np.uint8)
        for batch in (first, second)
    ]
    with torch.inference_mode():
        exact = float(lpips.network(first[:1], second[:1]))
    assert lpips(*images) == pytest.approx(exact, abs=1e-3)


@pytest.mark.parametrize("net", BACKBONES)
def test_a_distance(net: str, random_backbones: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(random_backbones))
    lpips = Lpips(net)
    first, second = pictures()
    assert lpips(first, first) == 0
    assert lpips(first, second) > 0.001
    assert lpips(first, second) == pytest.approx(lpips(second, first), rel=1e-4)
    nearly = np.clip(first.astype(int) + 3, 0, 255).astype(np.uint8)
    assert lpips(first, nearly) < lpips(first, second)
    grey = first[..., 0]
    assert lpips(grey, second[..., 0]) == pytest.approx(
        lpips(np.dstack([grey] * 3), np.dstack([second[..., 0]] * 3))
    )


@pytest.mark.parametrize(("net", "smallest"), [("alex", 31), ("squeeze", 17)])
def test_pictures_that_are_too_small_are_refused(
    net: str, smallest: int, random_backbones: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(random_backbones))
    lpips = Lpips(net)
    assert lpips(*pictures(smallest, 50)) > 0
    with pytest.raises(ImageError, match=rf"\ALPIPS on {net} needs .* {smallest} x {smallest}.*\Z"):
        lpips(*pictures(50, smallest - 1))
    with pytest.raises(ImageError, match="differ in shape"):
        lpips(pictures()[0], pictures(50)[0])


def in_cache(backbones: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "home").mkdir()
    (home / "home" / "lpips").symlink_to(backbones)


def in_an_empty_folder_and_in_the_cache(
    backbones: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_cache(backbones, home, monkeypatch)
    monkeypatch.setenv(VARIABLE, str(home))


def as_a_file(backbones: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str((backbones / BACKBONES["squeeze"]).rename(home / "mine")))


def as_the_package_keeps_it(backbones: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = home / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    whole = load_file(backbones / BACKBONES["squeeze"]) | {"classifier.1.bias": torch.zeros(1000)}
    torch.save(whole, folder / "squeezenet1_1-b8a52dc0.pth", _use_new_zipfile_serialization=False)


@pytest.mark.parametrize(
    "placed", [in_cache, in_an_empty_folder_and_in_the_cache, as_a_file, as_the_package_keeps_it]
)
def test_where_a_backbone_is_found(
    placed: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    backbones = tmp_path / "made"
    backbones.mkdir()
    save_file(features("squeeze"), backbones / BACKBONES["squeeze"])
    placed(backbones, tmp_path, monkeypatch)
    state = torch.random.get_rng_state()
    assert Lpips("squeeze")(*pictures()) > 0
    assert torch.equal(torch.random.get_rng_state(), state)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"not safetensors", r"cannot be read as safetensors"),
        (features("squeeze"), r"does not hold the features of LPIPS on alex"),
        ({"features.0.weight": torch.zeros(64, 3, 11, 11)}, r"does not hold the features"),
    ],
    ids=["no safetensors", "another network", "a part"],
)
def test_a_wrong_file_is_one_line(
    content: bytes | dict[str, torch.Tensor],
    what: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "wrong.safetensors"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        save_file(content, file)
    monkeypatch.setenv(VARIABLE, str(file))
    with pytest.raises(CheckpointError, match=rf"\A.*wrong.safetensors: {what}.*\Z"):
        Lpips("alex")


def test_a_name_that_leads_nowhere_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "typo"))
    with pytest.raises(CheckpointError, match=rf"\A.*typo: no such file or folder.*{VARIABLE}.*\Z"):
        Lpips("alex")


def test_an_unknown_network_is_wrong_usage() -> None:
    with pytest.raises(
        UsageError, match=r"\Ano LPIPS network is called 'vgg'; there are alex, squeeze\Z"
    ):
        Lpips("vgg")


@pytest.mark.parametrize("net", BACKBONES)
def test_without_a_file_and_a_network_one_line_says_what_to_set(
    net: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(DownloadError, match=rf"\A.*refused.*{VARIABLE} to.*{BACKBONES[net]}\Z"):
        Lpips(net)
    assert capfd.readouterr() == ("", "")


def test_nothing_loads_it_unasked() -> None:
    code = (
        "import sys\n"
        "from restore.evaluate import protocol, subjects, table\n"
        "protocol.metrics_of('derain')\n"
        "assert not {'lpips', 'torchvision'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
