"""A self-contained HTML page with a before/after slider."""

from __future__ import annotations

import base64
import html
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from restore.compare.views import View
from restore.errors import ImageError, UsageError
from restore.files import atomic_path, check_target
from restore.media.screen import JPEG_QUALITY, LOSSLESS_UP_TO

_ENDINGS = (".html", ".htm")
TEMPLATE = Path(__file__).with_name("page.html")


def write_page(path: Path, title: str, views: Sequence[View], overwrite: bool = False) -> None:
    """Write a page that shows two of the ``views`` at a time, initially the first and the last.

    The file is self-contained: no script, font or image is loaded. Raises `UsageError` for views of
    different sizes, or fewer than two, and as `check_page`.
    """
    if len(views) < 2:
        raise UsageError("a comparison needs two pictures or more")
    sizes = {view.pixels.shape for view in views}
    if len(sizes) > 1:
        told = ", ".join(f"{view.label} {shape(view)}" for view in views)
        raise UsageError(f"pictures of different sizes cannot be compared: {told}")
    check_page(path, overwrite)
    write_text(path, page(title, views))


def check_page(path: Path, overwrite: bool = False, folder: Path | None = None) -> None:
    """Raise `ImageError` for a page that cannot be written, or that is named as something else,
    such as an input. ``folder`` will be made before the page, if it does not exist."""
    if path.suffix.lower() not in _ENDINGS:
        raise ImageError(f"{path}: is no name of a page; use one that ends in .html")
    if folder is None or folder.exists() or path.absolute().parent != folder.absolute():
        check_target(path, overwrite, ImageError)


def write_text(path: Path, content: str) -> None:
    """Write a page, complete or not at all."""
    with atomic_path(path) as partial:
        partial.write_text(content, encoding="utf-8")


def filled(template: Path, **fields: str) -> str:
    """Return a template with ``[[NAME]]`` replaced by each field; field values are not expanded
    again."""
    text = template.read_text(encoding="utf-8")
    return re.sub(r"\[\[(\w+)\]\]", lambda found: fields[found[1]], text)


def page(title: str, views: Sequence[View]) -> str:
    """Return the HTML text."""
    height, width = views[0].pixels.shape[:2]
    shown = [{"label": label(view), "source": data_url(view.pixels)} for view in views]
    # A closing tag within the data would end the script.
    data = json.dumps(shown).replace("<", "\\u003c")
    size = {"width": str(width), "height": str(height)}
    return filled(TEMPLATE, title=html.escape(title), views=data, **size)


def label(view: View) -> str:
    """Return the label of a view with its PSNR."""
    return view.label if view.psnr is None else f"{view.label} ({view.psnr:.2f} dB)"


def shape(view: View) -> str:
    """Return the size of a view, as WIDTHxHEIGHT."""
    return f"{view.pixels.shape[1]}x{view.pixels.shape[0]}"


def data_url(pixels: np.ndarray) -> str:
    """Return H x W x 3 uint8 as a data URL: lossless WebP, or JPEG for a large image."""
    image, stream = Image.fromarray(pixels), io.BytesIO()
    fits_webp = max(image.size) <= 16383
    if image.width * image.height <= LOSSLESS_UP_TO and fits_webp:
        kind = "webp"
        image.save(stream, kind, lossless=True, method=2, exact=True)
    else:
        kind = "jpeg"
        image.save(stream, kind, quality=JPEG_QUALITY, subsampling=0)
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode()}"
