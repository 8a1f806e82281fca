"""Make a clip of this folder's photographs, to measure flicker on: ``python samples/clip.py OUT``.

OUT/clean pans over one photograph by parts of a pixel, while a piece of another crosses it, and
cuts to a third. OUT/dark is the same in low light, OUT/hazy in a haze that is denser above, both
with a little noise that differs in every frame. All are folders of PNG files, which
``restore eval TASK --video`` takes for clips.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

HERE = Path(__file__).parent
FRAMES, CUT = 24, 16
HEIGHT, WIDTH = 192, 256


def main(out: Path) -> None:
    for kind in ("clean", "dark", "hazy"):
        (out / kind).mkdir(parents=True)
    for number in range(FRAMES):
        clean = frame(number)
        write(clean, out / "clean" / f"{number:03}.png")
        random = np.random.default_rng(number)
        dark = 0.22 * clean + random.normal(0, 2 / 255, clean.shape)
        write(dark, out / "dark" / f"{number:03}.png")
        transmission = np.exp(-np.linspace(1.4, 0.4, HEIGHT))[:, None, None]
        hazy = clean * transmission + 0.85 * (1 - transmission)
        write(hazy + random.normal(0, 1.5 / 255, clean.shape), out / "hazy" / f"{number:03}.png")


def frame(number: int) -> np.ndarray:
    """HEIGHT x WIDTH x 3 float32 in [0, 1]."""
    if number >= CUT:
        return shifted(photograph("coffee"), 60 - 0.8 * number, 20 + 0.9 * number)
    scene = shifted(photograph("astronaut"), 20 + 1.3 * number, 20 + 0.7 * number)
    piece = photograph("cat")[40:110, 90:170]
    disc = cv2.circle(np.zeros(piece.shape, np.float32), (40, 35), 33, (1, 1, 1), -1, cv2.LINE_AA)
    place = -(10 + 4.3 * number), -(30 + 1.1 * number)
    cover = shifted(disc, *place)
    return np.clip(scene * (1 - cover) + shifted(piece, *place) * cover, 0, 1)


def photograph(name: str) -> np.ndarray:
    """float32 in [0, 1], at 60 % of its size."""
    with Image.open(HERE / f"{name}-clean.png") as file:
        full = np.asarray(file.convert("RGB"), np.float32) / 255
    return cv2.resize(full, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)


def shifted(picture: np.ndarray, right: float, down: float) -> np.ndarray:
    """The part of a picture that begins (right, down) in it; black outside."""
    place = np.array([[1, 0, right], [0, 1, down]], np.float32)
    how = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(picture, place, (WIDTH, HEIGHT), flags=how)


def write(picture: np.ndarray, path: Path) -> None:
    Image.fromarray(np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)).save(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
