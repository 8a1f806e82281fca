"""Forward models: what makes a good picture bad. Pure functions on batches of torch tensors."""

from restore.degrade.noise import CameraNoise, camera_noise, gaussian_noise

__all__ = ["CameraNoise", "camera_noise", "gaussian_noise"]
