"""Make the pictures of this folder again: ``python samples/make.py``.

Needs scikit-image, and the official model of derain: ``restore weights pull derain``.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from skimage import data

HERE = Path(__file__).parent
RESTORE = (sys.executable, "-m", "restore.cli")
GAP = 8  # pixels between pictures that are shown together


@dataclass(frozen=True)
class Shown:
    """A photograph, spoiled by ``restore degrade KIND`` and restored by the head ``task``.

    The files are PHOTO-BAD.png and PHOTO-GOOD.png.
    """

    photo: str
    kind: str
    severity: float
    bad: str
    task: str
    good: str


PHOTOS = {"cat": data.chelsea, "astronaut": data.astronaut, "coffee": data.coffee}
SUCCESSES = (
    Shown("cat", "noise", 0.5, "noisy", "denoise", "denoised"),
    Shown("astronaut", "blur", 0.15, "blurred", "deblur", "deblurred"),
    Shown("cat", "rain", 0.6, "rainy", "derain", "derained"),
    Shown("astronaut", "haze", 0.6, "hazy", "dehaze", "dehazed"),
    Shown("coffee", "lowlight", 0.6, "dark", "enhance", "enhanced"),
)
FAILURES = (
    Shown("astronaut", "noise", 1.0, "noisy", "denoise", "denoised"),
    Shown("cat", "blur", 0.8, "blurred", "deblur", "deblurred"),
    Shown("coffee", "rain", 1.0, "rainy", "derain", "derained"),
    Shown("coffee", "haze", 1.0, "hazy", "dehaze", "dehazed"),
    Shown("cat", "lowlight", 1.0, "dark", "enhance", "enhanced"),
)
"""Failures: degradations about as strong as the heads are trained on."""
COMPARED = SUCCESSES[2]
"""The sample of the fastest and the best model."""


def main() -> None:
    for name, photo in PHOTOS.items():
        Image.fromarray(photo()).save(HERE / f"{name}-clean.png", optimize=True)
    for shown in SUCCESSES:
        degraded, restored = spoil_and_restore(shown, HERE)
        save(beside([degraded, restored]), HERE / f"{shown.task}.webp")
    save(beside(qualities(COMPARED), height=240), HERE / "qualities.webp")
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            beside([clean(shown), *spoil_and_restore(shown, Path(folder))], height=200)
            for shown in FAILURES
        ]
    save(below(rows), HERE / "failures.webp")
    draw_degradations(HERE / "cat-clean.png")


def spoil_and_restore(shown: Shown, folder: Path) -> list[Image.Image]:
    """(degraded, restored); both files are left in ``folder``."""
    degraded, restored = (folder / f"{shown.photo}-{s}.png" for s in (shown.bad, shown.good))
    words = ("--severity", shown.severity, "--seed", "7", "--overwrite")
    run("degrade", shown.kind, HERE / f"{shown.photo}-clean.png", degraded, *words)
    run(shown.task, degraded, restored, "--overwrite")
    return [opened(degraded), opened(restored)]


def qualities(shown: Shown) -> list[Image.Image]:
    """The results of ``--quality fast`` and of ``--quality best``."""
    degraded, results = HERE / f"{shown.photo}-{shown.bad}.png", []
    with tempfile.TemporaryDirectory() as folder:
        for quality in ("fast", "best"):
            target = Path(folder) / f"{quality}.png"
            run(shown.task, degraded, target, "--quality", quality)
            results.append(opened(target))
    return results


def clean(shown: Shown) -> Image.Image:
    return opened(HERE / f"{shown.photo}-clean.png")


def opened(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        return picture.copy()


def draw_degradations(picture: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        sheet = Path(folder) / "sheet.png"
        run("degrade", "--contact-sheet", sheet, "--picture", picture)
        with Image.open(sheet) as drawn:
            small = drawn.reduce(2)  # a page shows no more, and the file is small
    save(small, HERE / "degradations.webp")


def run(*arguments: object) -> None:
    subprocess.run([*RESTORE, *map(str, arguments)], check=True)


def beside(pictures: list[Image.Image], height: int | None = None) -> Image.Image:
    """In one row, left to right; all of ``height``, or that of the first."""
    height = height or pictures[0].height
    pictures = [p.resize((round(p.width * height / p.height), height)) for p in pictures]
    return _pasted(pictures, (1, 0))


def below(pictures: list[Image.Image]) -> Image.Image:
    """In one column, all of the width of the narrowest."""
    width = min(picture.width for picture in pictures)
    pictures = [p.resize((width, round(p.height * width / p.width))) for p in pictures]
    return _pasted(pictures, (0, 1))


def _pasted(pictures: list[Image.Image], direction: tuple[int, int]) -> Image.Image:
    right, down = direction
    last = GAP * (len(pictures) - 1)
    width = sum(p.width for p in pictures) + last if right else pictures[0].width
    height = sum(p.height for p in pictures) + last if down else pictures[0].height
    sheet = Image.new("RGB", (width, height), "white")
    x = y = 0
    for picture in pictures:
        sheet.paste(picture, (x, y))
        x += right * (picture.width + GAP)
        y += down * (picture.height + GAP)
    return sheet


def save(sheet: Image.Image, path: Path) -> None:
    sheet.save(path, quality=85, method=6)


if __name__ == "__main__":
    main()
