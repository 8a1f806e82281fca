"""Help in groups, from the options that many need to those that few need."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from command import one_error_line, restore

GROUPS = ["Arguments", "Picture", "Quality and speed", "Output", "Folders", "Clips"]


def groups(text: str) -> dict[str, list[str]]:
    """The options of each group."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if re.fullmatch(r"[A-Z][a-z ]+:", line):
            found[line[:-1]] = options = []
        elif option := re.match(r"  (?:-\w, )?(--[a-z-]+)", line):
            options.append(option[1])
    return found


@pytest.mark.parametrize("head", ["denoise", "enhance"])
def test_options_stand_in_groups(head: str) -> None:
    outcome = restore(head, "--help")
    assert outcome.code == 0
    found = groups(outcome.stdout)
    assert [*found] == [*GROUPS, "Precision and tiles"]
    assert found["Picture"] == ["--strength", "--bit-depth", "--encode-quality", "--stamp"]
    assert "--help" in found["Output"]
    assert "--recursive" in found["Folders"]
    assert "--codec" in found["Clips"]
    first = [name for group in GROUPS[:4] for name in found[group]]
    assert len(first) <= 14
    everything = [name for names in found.values() for name in names]
    assert len(set(everything)) == len(everything)


def test_developers_options_are_not_advertised() -> None:
    for head in ("denoise", "auto"):
        text = restore(head, "--help").stdout
        for word in ("--debug", "plain", "triton", "seam"):
            assert word not in text
    assert "--debug" in restore("--help").stdout
    assert "plain" in restore("bench", "speed", "--help").stdout


@pytest.mark.parametrize("place", [0, 1, 3])
def test_debug_counts_in_any_place(tmp_path: Path, place: int) -> None:
    words = ["denoise", tmp_path / "absent.png", tmp_path / "out.png"]
    words.insert(place, "--debug")
    outcome = restore(*words)
    assert outcome.code == 1
    assert "Traceback" in outcome.stderr


def test_debug_after_two_dashes_is_a_name(tmp_path: Path) -> None:
    outcome = restore("denoise", "--", "--debug", tmp_path / "out.png", cwd=tmp_path)
    assert outcome.code == 1
    assert "--debug: no such file" in outcome.stderr


def test_a_command_without_groups_has_one_list() -> None:
    assert "Options" in groups(restore("train", "--help").stdout)


def test_errors_spell_options_as_flags(tmp_path: Path) -> None:
    (tmp_path / "in.png").touch()
    outcome = restore("denoise", tmp_path / "in.png", tmp_path / "in.png")
    assert "give --overwrite to replace it" in one_error_line(outcome)
