"""The table of formats: complete, free of overlaps, documented, and the only list of formats."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from pathlib import Path

import pytest
from media_files import dng
from pictures import smooth

from restore.media import formats
from restore.media.file_errors import HEAD
from restore.media.formats import ANIMATED, FORMATS
from restore.media.formats.format import Format
from restore.media.image import encoded
from restore.media.picture import Picture

ROOT = Path(__file__).parents[3]
NAMES = {format_.name for format_ in FORMATS}


def test_every_module_with_a_format_is_in_the_table() -> None:
    found = []
    for module in pkgutil.iter_modules(formats.__path__):
        named = vars(importlib.import_module(f"{formats.__name__}.{module.name}")).values()
        found += [value for value in named if isinstance(value, Format)]
    assert {id(format_) for format_ in found} == {id(format_) for format_ in FORMATS}


def test_the_documentation_shows_the_table_of_formats() -> None:
    page = (ROOT / "docs" / "files.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- table: formats -->\n(.*?)\n<!-- /table -->", page, re.DOTALL)
    assert found, "docs/files.md has no table of formats"
    assert found[1] == formats.table(), "run: python docs/tables.py"
    rows = formats.table().splitlines()[2:]
    assert [row.split("|")[1].strip() for row in rows] == [format_.name for format_ in FORMATS]


def test_no_two_formats_share_a_name_or_a_suffix() -> None:
    suffixes = [suffix for format_ in FORMATS for suffix in format_.endings]
    assert len(set(suffixes)) == len(suffixes)
    assert len(NAMES) == len(FORMATS)
    moving = [s for f in FORMATS if f.animation is not None for s in f.animation.suffixes]
    assert sorted(moving) == sorted(ANIMATED)


@pytest.mark.parametrize("format_", [f for f in FORMATS if f.writable], ids=lambda f: f.name)
def test_a_file_is_recognised_by_its_content_as_one_format(format_: Format) -> None:
    head = encoded(Picture(smooth(), None, {}), f"out{format_.suffixes[0]}")[:HEAD]
    assert [f.name for f in FORMATS if f.recognises(head)] == [format_.name]
    for suffix in ("", ".jpg", ".tif", format_.suffixes[0]):
        assert formats.recognised(head, suffix) is format_
    assert formats.recognised(b"", format_.suffixes[0]) is None


def test_a_raw_file_is_recognised_by_its_suffix() -> None:
    head = dng()[:HEAD]
    assert formats.recognised(head, ".dng") is formats.RAW
    assert formats.recognised(head, ".tif") is formats.TIFF


def comparisons(path: Path) -> list[str]:
    """Formats that a module compares with, by name or by object."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Compare):
            continue
        for side in (node.left, *node.comparators):
            if isinstance(side, ast.Constant) and side.value in NAMES:
                found.append(str(side.value))
            if isinstance(side, ast.Attribute | ast.Name):
                name = side.attr if isinstance(side, ast.Attribute) else side.id
                found += [name] if name in NAMES else []
    return found


def test_no_other_module_asks_for_a_certain_format() -> None:
    for folder in ("restore", "cli"):
        for path in (ROOT / folder).rglob("*.py"):
            if path.parent != ROOT / "restore" / "media" / "formats":
                assert not comparisons(path), path
