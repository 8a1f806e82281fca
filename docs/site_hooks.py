"""Hooks of mkdocs: pages show the pictures of samples/, which stand outside the folder docs/."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

SAMPLES = Path(__file__).resolve().parents[1] / "samples"


def on_files(files: Any, config: Any) -> Any:
    """Add the pictures to the site."""
    for path in sorted(SAMPLES.glob("*.webp")):
        files.append(File.generated(config, f"samples/{path.name}", abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Point links at the pictures' place in the site; in the repository they are one folder up."""
    return markdown.replace("](../samples/", "](samples/")
