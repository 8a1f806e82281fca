"""Pages of `restore compare` and of `--report` in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import browser, needs_browser, until
from command import restore
from models import save_model
from pictures import saved, smooth

pytestmark = needs_browser


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    downloads = tmp_path_factory.mktemp("browser") / "downloads"
    downloads.mkdir()
    with browser(downloads) as found:
        yield found


@pytest.fixture
def opened(driver: Any) -> Iterator[Any]:
    yield driver
    assert not [line for line in driver.get_log("browser") if line["level"] == "SEVERE"]


def test_the_slider_of_a_comparison_moves_and_zooms(tmp_path: Path, opened: Any) -> None:
    model = save_model(tmp_path)
    photo, page = saved(tmp_path / "photo.png", smooth(120, 160)), tmp_path / "look.html"
    words = ("--models", model, "--strengths", "0.5,1", "--device", "cpu")
    done = restore("compare", photo, *words, "--html", page)
    assert done.code == 0, done.stderr
    opened.get(page.as_uri())

    def one(selector: str) -> Any:
        return opened.find_element("css selector", selector)

    until(lambda: opened.execute_script("return document.getElementById('over').naturalWidth"))
    size = "const one = document.getElementById(arguments[0]);"
    size += "return [one.naturalWidth, one.naturalHeight]"
    assert [opened.execute_script(size, name) for name in ("over", "under")] == [[160, 120]] * 2
    assert len(opened.find_elements("css selector", "#left option")) == 3
    one("#slider").send_keys("\ue012" * 10)  # arrow left
    clip = "return document.getElementById('over').style.clipPath"
    assert opened.execute_script(clip) == "inset(0px 51% 0px 0px)"
    one("button[data-zoom='2']").click()
    ratio = opened.execute_script("return devicePixelRatio")
    assert one("#stage").size["width"] == 160 * 2 / ratio
    label = one("#name-right").text
    one("#right").send_keys("\ue013")  # arrow up: the view before
    assert one("#name-right").text != label


def test_a_report_shows_its_pictures(tmp_path: Path, opened: Any) -> None:
    model = save_model(tmp_path, identity=True)
    (tmp_path / "in").mkdir()
    saved(tmp_path / "in" / "a.png", smooth(120, 160))
    (tmp_path / "in" / "torn.png").write_bytes(b"no picture")
    words = ("--model", model, "--device", "cpu", "--report", tmp_path / "report.html")
    assert restore("denoise", tmp_path / "in", tmp_path / "out", *words).code == 1
    opened.get((tmp_path / "report.html").as_uri())
    titles = [one.text for one in opened.find_elements("css selector", "article h2")]
    assert [Path(title).name for title in titles] == ["torn.png", "a.png"]
    widths = "return [...document.images].map((one) => one.naturalWidth)"
    until(lambda: opened.execute_script(widths) == [160, 160])
