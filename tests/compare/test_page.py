"""The page: complete in itself, and its pictures are the pictures."""

from __future__ import annotations

import base64
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from pictures import smooth
from PIL import Image

from restore.compare import View, page, write_page
from restore.errors import ImageError, UsageError

NASTY = 'a "b" <c>&</script><script>alert(1)</script>'


class _Reader(HTMLParser):
    """Collects addresses of other resources, and the text of the title."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.scripts = 0
        self.title = ""
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self._in_title = tag == "title"
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        self._in_title = False

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data


def shown(text: str) -> list[dict[str, str]]:
    """The views that a page holds."""
    found = re.search(r'<script id="views" type="application/json">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    return list(json.loads(found[1]))


def pixels(source: str) -> tuple[str, np.ndarray]:
    """Kind and pixels of the picture in a data URL."""
    kind, data = source.removeprefix("data:image/").split(";base64,")
    return kind, np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))


def test_pictures_are_kept_to_the_pixel(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 56, 3), np.uint8)
    write_page(tmp_path / "look.html", "x", [View("in", smooth()), View("out", noise, psnr=30.126)])
    views = shown((tmp_path / "look.html").read_text(encoding="utf-8"))
    assert [view["label"] for view in views] == ["in", "out (30.13 dB)"]
    for view, expected in zip(views, (smooth(), noise), strict=True):
        kind, found = pixels(view["source"])
        assert kind == "webp"
        np.testing.assert_array_equal(found, expected)


def test_large_pictures_are_jpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "LOSSLESS_UP_TO", 40 * 56 - 1)
    kind, found = pixels(page.data_url(smooth()))
    assert kind == "jpeg"
    assert np.abs(found.astype(int) - smooth()).max() <= 4


def test_nothing_comes_from_elsewhere_and_labels_are_text() -> None:
    text = page.page(NASTY, [View(NASTY, smooth()), View("out", smooth())])
    reader = _Reader()
    reader.feed(text)
    assert reader.addresses == []
    assert reader.scripts == 2
    assert reader.title == NASTY
    assert shown(text)[0]["label"] == NASTY
    assert not re.search(r"https?://|@import|url\(", text)


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    target, view = tmp_path / "look.html", View("in", smooth())
    with pytest.raises(UsageError, match="two pictures"):
        write_page(target, "x", [view])
    with pytest.raises(UsageError, match=r"different sizes .* in 56x40, small 56x20"):
        write_page(target, "x", [view, View("small", smooth()[:20])])
    with pytest.raises(ImageError, match="absent does not exist"):
        write_page(tmp_path / "absent" / "look.html", "x", [view, view])
    target.write_text("mine")
    with pytest.raises(ImageError, match="exists already; give overwrite=True to replace it"):
        write_page(target, "x", [view, view])
    assert target.read_text() == "mine"
    write_page(target, "x", [view, view], overwrite=True)
    assert shown(target.read_text(encoding="utf-8"))
    assert [path.name for path in tmp_path.iterdir()] == ["look.html"]
