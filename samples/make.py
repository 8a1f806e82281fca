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
    before_and_after("noise", "0.5", "noisy", "denoise", "denoised")
    before_and_after("rain", "0.6", "rainy", "derain", "derained")
    draw_degradations(clean)


def before_and_after(kind: str, severity: str, bad: str, task: str, good: str) -> None:
    """Spoil the cat, let the head restore it, and show both side by side."""
    degraded, restored = (HERE / f"cat-{name}.png" for name in (bad, good))
    words = ("--severity", severity, "--seed", "7", "--overwrite")
    run("degrade", kind, HERE / "cat-clean.png", degraded, *words)
    run(task, degraded, restored, "--overwrite")
    side_by_side([degraded, restored], HERE / f"{task}.png")


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
