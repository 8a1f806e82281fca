"""Relative links and anchors of the documentation resolve, without a network."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "weights").rglob("*.md")),
    ROOT / "samples" / "README.md",
]
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)


def links(text: str) -> list[str]:
    """Targets of links and pictures outside code."""
    return LINK.findall(CODE.sub("", text))


def anchors(text: str) -> set[str]:
    """Anchors that headings get, in the site as well as in views of the repository."""
    found = (re.sub(r"[^\w\s-]", "", title).strip().lower() for title in headings(text))
    return {re.sub(r"\s+", "-", title) for title in found}


def headings(text: str) -> list[str]:
    return HEADING.findall(re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))


def broken(page: Path, text: str) -> list[str]:
    """Links that lead nowhere."""
    found = []
    for link in links(text):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        known = anchors(target.read_text(encoding="utf-8")) if target.is_file() and anchor else {""}
        if not target.exists() or anchor not in known:
            found.append(link)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_resolve(page: Path) -> None:
    assert broken(page, page.read_text(encoding="utf-8")) == []


def test_broken_links_are_found(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# One heading, here\n\n```\n# none\n```\n")
    page = tmp_path / "page.md"
    page.write_text(
        "# Top\n\n[a](there.md) [b](gone.md) [c](there.md#one-heading-here) [d](there.md#none)\n"
        "`[e](code.md)` ![f](gone.png) [g](https://example.org/x) [h](#top) [i](#bottom)\n"
    )
    found = ["gone.md", "there.md#none", "gone.png", "#bottom"]
    assert broken(page, page.read_text()) == found


def test_all_pages_of_the_site_are_linked_from_its_first_page_and_its_menu() -> None:
    menu = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    index = links((ROOT / "docs" / "index.md").read_text(encoding="utf-8"))
    for page in (ROOT / "docs").glob("*.md"):
        assert f": {page.name}\n" in menu
        assert page.name == "index.md" or page.name in index


def test_the_readme_fits_one_page() -> None:
    words = (ROOT / "README.md").read_text(encoding="utf-8").split()
    assert len(words) <= 900
