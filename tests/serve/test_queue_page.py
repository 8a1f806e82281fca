"""The page in a real browser."""

from __future__ import annotations

import base64
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from browsing import browser, needs_browser, until
from command import restore
from pictures import ICC, smooth
from serving import Served, png, serving

pytestmark = needs_browser
SAMPLES = Path(__file__).resolve().parents[2] / "samples"
DROP = """
const [files] = arguments;
const transfer = new DataTransfer();
for (const [name, content] of files) {
  const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
  transfer.items.add(new File([bytes], name));
}
document.getElementById("drop").dispatchEvent(
  new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
"""


class Page:
    """The page of a server, in a browser."""

    def __init__(self, driver: Any, server: Served, downloads: Path):
        self.driver = driver
        self.server = server
        self.downloads = downloads

    def open(self) -> None:
        self.driver.get(self.server.url)
        until(lambda: len(self.all("#head option")) == 5)
        self.script("document.querySelector('#quality').value = 'fast'")

    def script(self, text: str, *arguments: Any) -> Any:
        return self.driver.execute_script(text, *arguments)

    def all(self, selector: str) -> list[Any]:
        return self.driver.find_elements("css selector", selector)

    def one(self, selector: str) -> Any:
        return self.driver.find_element("css selector", selector)

    def drop(self, **files: bytes) -> None:
        """Drop files on the page; ``a_png`` is the file a.png."""
        given = [
            (name.replace("_", "."), base64.b64encode(content).decode())
            for name, content in files.items()
        ]
        count = len(self.all("#files .file"))
        self.script(DROP, given)
        until(lambda: len(self.all("#files .file")) == count + len(files))

    def states(self) -> list[str]:
        return [row.get_attribute("data-state") for row in self.all("#files .file")]

    def downloaded(self, name: str) -> bytes:
        return until(lambda: (f := self.downloads / name).is_file() and f.read_bytes())


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    folder = tmp_path_factory.mktemp("page")
    downloads = folder / "downloads"
    downloads.mkdir()
    with serving(folder / "tmp") as server, browser(downloads) as driver:
        yield Page(driver, server, downloads)


@pytest.fixture
def page(opened: Page) -> Iterator[Page]:
    """An empty page."""
    opened.script("try { sessionStorage.clear() } catch {}")
    opened.open()
    yield opened
    opened.script("document.getElementById('clear').click()")
    # A small picture that was still loading when its file was removed is no fault.
    logged = [x for x in opened.driver.get_log("browser") if "/view/" not in x["message"]]
    assert not [line for line in logged if line["level"] == "SEVERE"], logged


def test_a_dropped_file_is_restored_and_equals_the_file_of_the_command(
    tmp_path: Path, page: Page
) -> None:
    source, target = tmp_path / "deep.tif", tmp_path / "out.tif"
    tifffile.imwrite(source, smooth().astype(np.uint16) * 257, photometric="rgb", iccprofile=ICC)
    assert restore("denoise", source, target, "--quality", "fast", "--strength", "0.5").code == 0
    page.drop(deep_tif=source.read_bytes())
    page.script(
        "const s = document.getElementById('strength'); s.value = 0.5;"
        "s.dispatchEvent(new Event('input', { bubbles: true }))"
    )
    assert page.one("#strength-value").text == "0.50"
    page.one("#start").click()
    until(lambda: page.states() == ["done"])
    page.one(".download").click()
    assert page.downloaded("deep-denoise.tif") == target.read_bytes()


def test_the_slider_shows_both_sides_and_zooms_to_single_pixels(page: Page) -> None:
    page.drop(a_png=png(300, 400))
    page.one("#start").click()
    until(lambda: page.states() == ["done"])
    until(lambda: page.script("return document.querySelector('.open img').naturalWidth") == 400)
    page.one(".open").click()
    until(lambda: page.script("return document.querySelector('#before').naturalWidth") == 400)

    def clip() -> float:
        text = page.script("return document.querySelector('#before').style.clipPath")
        return float(text.split()[1].removesuffix("px"))

    until(lambda: abs(clip() - 200) < 2)  # half of 400 pixels is hidden
    page.one("#split").send_keys("\ue012" * 30)  # arrow left
    assert clip() > 220
    page.one("#zoom-one").click()
    assert float(page.one("#stage").get_attribute("data-scale")) == 1
    before = page.one("#after").get_attribute("style")
    page.driver.set_window_size(500, 400)
    page.one("#stage").send_keys("\ue014\ue015")  # arrows right and down
    until(lambda: page.one("#after").get_attribute("style") != before)
    page.driver.set_window_size(1200, 900)
    page.one("#stage").send_keys("0")  # fits again
    until(lambda: float(page.one("#stage").get_attribute("data-scale")) > 1)
    page.one("#stage").send_keys("\ue00c")  # Escape
    until(lambda: not page.one("#viewer").is_displayed())
    focused = page.driver.switch_to.active_element.get_attribute("class")
    assert focused == "open"  # where the comparison was opened


def test_cancel_stops_the_work(page: Page) -> None:
    page.drop(large_png=png(1500, 2000), small_png=png())
    page.one("#start").click()
    until(lambda: page.states()[0] == "running")
    page.one(".cancel").click()
    until(lambda: page.states() == ["cancelled", "done"])
    until(lambda: page.server.client.get("/healthz").json()["jobs"]["running"] == 0)


def test_a_damaged_file_says_why_and_the_others_go_on(page: Page) -> None:
    page.drop(torn_png=png()[:200], good_png=png())
    page.one("#start").click()
    until(lambda: page.states() == ["failed", "done"])
    assert page.one(".failed .state").text.startswith("torn.png: ")
    assert "1 done, 1 failed" in page.one("#tally").text


def test_all_results_come_in_one_archive(page: Page) -> None:
    page.drop(a_png=png(seed=1), b_png=png(seed=2), c_png=png(seed=3))
    page.one("#start").click()
    until(lambda: page.states() == ["done"] * 3)
    page.one("#all").click()
    page.downloaded("restored.zip")
    until(lambda: zipfile.is_zipfile(page.downloads / "restored.zip"))
    with zipfile.ZipFile(page.downloads / "restored.zip") as archive:
        assert archive.namelist() == [f"{letter}-denoise.png" for letter in "abc"]


def test_suggest_chooses_the_head(page: Page) -> None:
    path = SAMPLES / "coffee-dark.png"
    page.one("#picker").send_keys(str(path))
    until(lambda: page.states() == ["ready"])
    page.one(".suggest").click()
    until(lambda: "suggested: enhance (dark" in page.one(".state").text)
    assert page.script("return document.getElementById('head').value") == "enhance"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with two pictures and files that are none."""
    (tmp_path / "photos" / "2020").mkdir(parents=True)
    for name in ("a.PNG", "2020/b.png", "notes.txt", ".hidden.png"):
        (tmp_path / "photos" / name).write_bytes(png())
    return tmp_path / "photos"


def test_a_chosen_folder_adds_its_pictures_only(photos: Path, page: Page) -> None:
    page.one("#folder-picker").send_keys(str(photos))
    until(lambda: len(page.states()) == 2)
    assert {name.text for name in page.all(".name")} == {"photos/a.PNG", "photos/2020/b.png"}


def test_the_archive_keeps_the_tree_of_a_dropped_folder(photos: Path, page: Page) -> None:
    at = page.one("#drop").rect
    middle = {"x": at["x"] + at["width"] / 2, "y": at["y"] + at["height"] / 2}
    data = {"items": [], "files": [str(photos)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        event = {"type": kind, **middle, "data": data}
        page.driver.execute_cdp_cmd("Input.dispatchDragEvent", event)
    until(lambda: len(page.states()) == 2)
    page.one("#start").click()
    until(lambda: page.states() == ["done"] * 2)
    (page.downloads / "restored.zip").unlink(missing_ok=True)
    page.one("#all").click()
    until(lambda: zipfile.is_zipfile(page.downloads / "restored.zip"))
    with zipfile.ZipFile(page.downloads / "restored.zip") as archive:
        assert sorted(archive.namelist()) == ["photos/2020/b-denoise.png", "photos/a-denoise.png"]


def test_format_depth_and_quality_are_those_of_the_result(page: Page) -> None:
    page.script(
        "document.getElementById('format').value = 'tif';"
        "document.getElementById('bit-depth').value = '16'"
    )
    page.drop(a_png=png())
    page.one("#start").click()
    until(lambda: page.states() == ["done"])
    page.one(".download").click()
    page.downloaded("a-denoise.tif")
    assert tifffile.imread(page.downloads / "a-denoise.tif").dtype == np.uint16
    sizes = []
    for quality in (10, 95):
        page.script(
            "document.getElementById('format').value = 'jpg';"
            "document.getElementById('bit-depth').value = '';"
            "document.getElementById('encode-quality').value = arguments[0]",
            quality,
        )
        name = f"q{quality}_png"
        page.drop(**{name: png(seed=1)})
        page.one("#start").click()
        until(lambda: set(page.states()) == {"done"})
        page.all(".download")[-1].click()
        sizes.append(len(page.downloaded(f"q{quality}-denoise.jpg")))
    assert sizes[0] * 1.3 < sizes[1]
    page.script("document.getElementById('settings').reset()")


def test_a_reload_finds_its_files_again(page: Page) -> None:
    page.drop(large_png=png(1500, 2000))
    page.one("#start").click()
    until(lambda: page.states() == ["running"])
    page.drop(small_png=png())
    page.one("#start").click()
    until(lambda: page.states() == ["running", "waiting"])
    page.driver.refresh()
    until(lambda: page.states() == ["running", "waiting"])
    page.one(".cancel").click()
    until(lambda: page.states() == ["cancelled", "done"])


def test_the_page_works_by_keyboard_and_at_360_pixels(page: Page) -> None:
    page.drop(a_png=png())
    page.driver.set_window_size(500, 800)
    page.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True},
    )
    try:
        assert page.script("return document.documentElement.scrollWidth") == 360
        page.script("document.getElementById('start').focus()")
        page.driver.switch_to.active_element.send_keys("\ue007")  # Enter
        until(lambda: page.states() == ["done"])
        assert page.script("return document.documentElement.scrollWidth") == 360
    finally:
        page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        page.driver.set_window_size(1200, 900)
    unnamed = page.script(
        "return [...document.querySelectorAll('button, a, input, select')].filter((one) =>"
        "one.offsetParent && !(one.ariaLabel || one.textContent.trim() || one.labels?.length))"
        ".length"
    )
    assert unnamed == 0


def test_the_description_of_the_api_sends_requests(page: Page) -> None:
    page.driver.get(f"{page.server.url}/docs")
    until(lambda: len(page.all(".operation")) >= 8)
    page.script(
        "const all = [...document.querySelectorAll('.operation')];"
        "const one = all.find((o) => o.textContent.includes('/healthz'));"
        "one.open = true; one.querySelector('button').click()"
    )
    until(lambda: '"status": "ok"' in page.one("main").text)
    page.driver.get(page.server.url)
