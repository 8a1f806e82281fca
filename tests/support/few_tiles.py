"""Code for a process that measures the memory which a large picture takes, and is done soon."""

from __future__ import annotations

from restore.benchmark.footprint import PEAK

FEW_TILES = f"""{PEAK}
import torch, cv2, PIL.Image, tifffile, imagecodecs  # what would count as the picture's later
from restore import Restorer

forward, ran = Restorer._forward, []

def some(self, tiles, *more):  # one tile in fifty is as good as all, and the rest unchanged
    ran.append(1)
    return forward(self, tiles, *more) if len(ran) % 50 == 1 else tiles.copy()

Restorer._forward = some
before = peak()
"""
