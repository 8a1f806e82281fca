"""Make the pictures of this folder again: ``python samples/make.py`` (needs scikit-image)."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from skimage import data

HERE = Path(__file__).parent
RESTORE = (sys.executable, "-m", "restore.cli")


def main() -> None:
    clean = HERE / "cat-clean.png"
    Image.fromarray(data.chelsea()).save(clean, optimize=True)
    noisy = HERE / "cat-noisy.png"
    run("degrade", "noise", clean, noisy, "--severity", "0.5", "--seed", "7", "--overwrite")
    run("denoise", noisy, HERE / "cat-denoised.png", "--overwrite")
    draw_degradations(clean)
    side_by_side([noisy, HERE / "cat-denoised.png"], HERE / "denoise.png")


def draw_degradations(clean: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        sheet = Path(folder) / "sheet.png"
        run("degrade", "--contact-sheet", sheet, "--picture", clean)
        with Image.open(sheet) as drawn:
            small = drawn.reduce(2)  # a page shows no more, and the file is small
    small.save(HERE / "degradations.webp", quality=80, method=6)


def run(*arguments: object) -> None:
    subprocess.run([*RESTORE, *map(str, arguments)], check=True)


def side_by_side(paths: list[Path], target: Path) -> None:
    pictures = [Image.open(path) for path in paths]
    width, height = pictures[0].size
    sheet = Image.new("RGB", (len(pictures) * width + 8 * (len(pictures) - 1), height), "white")
    for i, picture in enumerate(pictures):
        sheet.paste(picture, (i * (width + 8), 0))
    sheet.save(target, optimize=True)


if __name__ == "__main__":
    main()
