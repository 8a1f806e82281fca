"""Pictures that a program draws: pages of text, and areas of saturated colours."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont


def page(size: int, light_on_dark: bool = False) -> np.ndarray:
    """Return a page, 256 x 384 x 3 uint8, of text whose lines are ``size`` pixels high."""
    paper, ink = ((20, 30, 60), (240, 240, 240)) if light_on_dark else ((255,) * 3, (0,) * 3)
    image = Image.new("RGB", (384, 256), paper)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size)
    for top in range(4, 256, size + 4):
        draw.text((5, top), "Sphinx of black quartz, judge 13 of my vows", fill=ink, font=font)
    return np.asarray(image)


def bordered() -> np.ndarray:
    """Return fields of saturated colours, 192 x 256 x 3 uint8, parted by lines one pixel wide."""
    image = np.zeros((192, 256, 3), np.uint8)
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255), (0, 255, 255)]
    for row in range(3):
        for column in range(4):
            colour = colours[(2 * row + column) % len(colours)]
            image[64 * row : 64 * row + 63, 64 * column : 64 * column + 63] = colour
    return image
