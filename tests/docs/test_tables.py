"""Tables in README.md and docs/ agree with the cards, the heads and the formats."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from models import save_model

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs"))

import tables  # noqa: E402

from restore.checkpoints.card import Figure  # noqa: E402
from restore.heads import HEADS  # noqa: E402
from restore.media.formats import FORMATS  # noqa: E402

OF = "figures-of-"


def shown() -> list[str]:
    """Names of all tables on all pages."""
    return [name for page in tables.pages() for _, name, *_ in tables.MARKED.findall(_text(page))]


def test_pages_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    code = tables.main(check=True)
    assert code == 0, capsys.readouterr().err


def test_each_table_stands_on_a_page() -> None:
    assert {name for name in shown() if not name.startswith(OF)} == set(tables.TABLES)


def test_the_ledger_has_a_section_for_each_shipped_model() -> None:
    shipped = [one.card.name for one in tables.models() if one.state == "shipped"]
    assert sorted(name for name in shown() if name.startswith(OF)) == sorted(
        f"{OF}{name}" for name in shipped
    )
    ledger = (ROOT / "weights" / "TRAINING.md").read_text()
    for name in shipped:
        assert f"\n## {name}\n" in ledger or f"\n### {name}\n" in ledger


def test_each_head_and_each_format_has_a_row() -> None:
    assert _first_cells(tables.heads_table()) == [f"`{name}`" for name in HEADS]
    assert _first_cells(tables.formats.table()) == [format_.name for format_ in FORMATS]


def test_downloaded_models_do_not_change_the_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tables.models_table()
    monkeypatch.setenv("RESTORE_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    save_model(tmp_path / "models", name="mine")
    assert tables.models_table() == before
    assert os.environ["RESTORE_HOME"] == str(tmp_path)


def test_a_new_figure_makes_pages_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = tables.models()
    first = entries[0]
    figures = (*first.card.figures, Figure("Set12", "PSNR", 31.5, "RGB", stages=1))
    changed = replace(first, card=replace(first.card, figures=figures))
    monkeypatch.setattr(tables, "models", lambda: [changed, *entries[1:]])
    page = (ROOT / "docs" / "models.md").read_text()
    assert tables.updated(page) != page
    assert "| Set12, after stage 1 | 31.50 |" in tables.figures_tables()


def test_published_figures_do_not_count_as_measured() -> None:
    entries = {entry.card.name: entry for entry in tables.models()}
    measured = tables.measured(entries["deblur-gopro"])
    assert "published" not in {figure.protocol for figure in measured}
    assert all("published" not in figure.protocol for figure in measured)
    assert tables.measured(entries["deblur-small"]) == list(entries["deblur-small"].card.figures)


def test_the_check_names_a_stale_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docs").mkdir()
    page = tmp_path / "README.md"
    page.write_text("<!-- table: published -->\nold\n<!-- /table -->\n")
    monkeypatch.setattr(tables, "ROOT", tmp_path)
    assert tables.main(check=True) == 1
    assert "old" in page.read_text()
    assert tables.main(check=False) == 0
    assert "old" not in page.read_text()
    assert tables.main(check=True) == 0


def test_the_script_runs_by_itself() -> None:
    command = [sys.executable, "docs/tables.py", "--check"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


def _text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def _first_cells(table: str) -> list[str]:
    return [row.split("|")[1].strip() for row in table.splitlines()[2:]]
