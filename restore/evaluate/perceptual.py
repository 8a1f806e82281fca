"""LPIPS, the distance of two images in the features of an ImageNet network."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Mapping
from contextlib import redirect_stdout
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from restore.checkpoints import store
from restore.errors import CheckpointError, DownloadError, ImageError, RestoreError, UsageError
from restore.evaluate.metrics import check_pair
from restore.media.colour import rgb

BACKBONES: Mapping[str, str] = {
    "alex": "alexnet-features.safetensors",
    "squeeze": "squeezenet1_1-features.safetensors",
}
"""Network -> the file of its features: safetensors, under torchvision's names of the keys."""

VARIABLE = "RESTORE_LPIPS_BACKBONE"
_SMALLEST = {"alex": 31, "squeeze": 17}  # smaller images are empty after the last pooling


class Lpips:
    """LPIPS (Zhang et al., CVPR 2018), version 0.1, of the ``lpips`` package, on a CPU.

    ``net`` is "alex" or "squeeze". Its features are read from the file or folder in
    ``RESTORE_LPIPS_BACKBONE``, else from ``lpips`` in the cache folder, else downloaded to the
    package's own folder (``TORCH_HOME``).

    Raises `UsageError` for another network, `CheckpointError` for a file with other contents,
    `DownloadError` if nothing is found and the download fails, and `RestoreError` if the package is
    missing.
    """

    def __init__(self, net: str):
        if net not in BACKBONES:
            raise UsageError(
                f"no LPIPS network is called {net!r}; there are {', '.join(BACKBONES)}"
            )
        if find_spec("lpips") is None:  # as in the image of the Dockerfile
            raise RestoreError("LPIPS needs a package: pip install lpips")
        self.net = net
        found = _find(net)
        features = _download(net) if found is None else _read(found)
        self.network = _build(net, features, f"{found or 'the download'}")

    @torch.inference_mode()
    def __call__(self, output: np.ndarray, target: np.ndarray) -> float:
        """Return the distance of two images of one shape, H x W x 3 (RGB) or H x W (grey), uint8; 0
        for equal ones. Raises `ImageError` for different shapes and for less than 31 (alex) or 17
        (squeeze) pixels a side."""
        check_pair(output, target)
        smallest = _SMALLEST[self.net]
        if min(output.shape[:2]) < smallest:
            raise ImageError(
                f"LPIPS on {self.net} needs pictures of at least {smallest} x {smallest} pixels, "
                f"got {output.shape}"
            )
        return float(self.network(_to_tensor(output), _to_tensor(target)))


def _to_tensor(image: np.ndarray) -> torch.Tensor:
    """Convert H x W (x 3), uint8, to 1 x 3 x H x W, float32 of scale [-1, 1]."""
    return torch.tensor(rgb(image)).permute(2, 0, 1)[None].float() / 127.5 - 1


def _find(net: str) -> Path | None:
    """Return the file of the features that the user names, else that in the cache, else None."""
    folders = [store.home() / "lpips"]
    if named := os.environ.get(VARIABLE):
        path = Path(named)
        if path.is_file() and not any(path.name == BACKBONES[n] for n in BACKBONES if n != net):
            return path
        if not path.exists():
            raise CheckpointError(f"{path}: no such file or folder, but {VARIABLE} names it")
        folders.insert(0, path)
    paths = (folder / BACKBONES[net] for folder in folders)
    return next((path for path in paths if path.is_file()), None)


def _read(path: Path) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: cannot be read as safetensors: {error}") from error


def _download(net: str) -> dict[str, torch.Tensor]:
    """Return the package's own weights. Fetched here, since the package would unpickle them
    unchecked and print."""
    from torchvision.models import AlexNet_Weights, SqueezeNet1_1_Weights

    origin = {"alex": AlexNet_Weights, "squeeze": SqueezeNet1_1_Weights}[net].IMAGENET1K_V1
    try:
        with redirect_stdout(io.StringIO()):
            state = torch.hub.load_state_dict_from_url(
                origin.url, map_location="cpu", progress=False, check_hash=True, weights_only=True
            )
    except (OSError, HTTPException, RuntimeError, EOFError) as error:
        raise DownloadError(
            f"LPIPS on {net} needs {origin.url}, which could not be had ({error}); set {VARIABLE} "
            f"to a folder that holds {BACKBONES[net]}"
        ) from error
    return {name: tensor for name, tensor in state.items() if name.startswith("features.")}


def _build(net: str, features: Mapping[str, torch.Tensor], origin: str) -> torch.nn.Module:
    """Build the package's network: two inputs N x 3 x H x W in [-1, 1], result N x 1 x 1 x 1."""
    # It initialises parameters that are replaced at once, from the global generator, and
    # torchvision warns of how the package calls it.
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")
        import lpips

        network = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
    # The package cuts the features into slices, but numbers the layers on: slice2.3 is features.3.
    wanted = {name: f"features.{name.partition('.')[2]}" for name in network.net.state_dict()}
    if {name: features[old].shape for name, old in wanted.items() if old in features} != {
        name: tensor.shape for name, tensor in network.net.state_dict().items()
    }:
        raise CheckpointError(f"{origin}: does not hold the features of LPIPS on {net}")
    network.net.load_state_dict({name: features[old] for name, old in wanted.items()})
    return network.requires_grad_(False)
