"""Forward models of degradations, as pure functions on batches of torch tensors."""

from restore.degrade.blur import Blur, blur
from restore.degrade.haze import Haze, haze
from restore.degrade.lowlight import LowLight, lowlight
from restore.degrade.noise import CameraNoise, camera_noise, gaussian_noise
from restore.degrade.rain import Rain, rain

__all__ = [
    "Blur",
    "CameraNoise",
    "Haze",
    "LowLight",
    "Rain",
    "blur",
    "camera_noise",
    "gaussian_noise",
    "haze",
    "lowlight",
    "rain",
]
