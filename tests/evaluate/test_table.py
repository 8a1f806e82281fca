from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest

from restore.errors import RestoreError
from restore.evaluate.protocol import COMMON, metrics_of
from restore.evaluate.report import Row, Subject
from restore.evaluate.table import Table

ROWS = [
    Row('a, "b"', "model", {"PSNR": math.inf, "SSIM": 1.0, "PSNR-Y": math.inf, "SSIM-Y": 1.0}),
    Row('a, "b"', "input", {"PSNR": 20 / 3, "SSIM": 0.1, "PSNR-Y": 8.0, "SSIM-Y": -0.25}),
    Row(
        "\N{CJK UNIFIED IDEOGRAPH-7530}",
        "model",
        dict.fromkeys(("PSNR", "PSNR-Y"), 30.0) | dict.fromkeys(("SSIM", "SSIM-Y"), 0.5),
    ),
    Row(
        "\N{CJK UNIFIED IDEOGRAPH-7530}",
        "input",
        dict.fromkeys(("PSNR", "PSNR-Y"), 20.0) | dict.fromkeys(("SSIM", "SSIM-Y"), 0.4),
    ),
]


@pytest.fixture
def table() -> Table:
    subjects = [Subject("model", "how it ran", lambda x: x), Subject("input", "as it is", abs)]
    return Table("derain", subjects, metrics_of("derain"))


def test_columns_stand_below_each_other(table: Table) -> None:
    lines = [table.header(), *map(table.line, ROWS[1:3])]
    assert len({len(line) for line in lines}) == 1
    assert lines[0].split() == ["picture", "by", "PSNR", "SSIM", "PSNR-Y", "SSIM-Y"]
    assert lines[1].split()[-5:] == ["input", "6.667", "0.1000", "8.000", "-0.2500"]


def test_the_summary_has_the_means_and_every_protocol(table: Table) -> None:
    lines = table.summary(ROWS).splitlines()
    assert lines[0].split() == ["mean", "model", "inf", "0.7500", "inf", "0.7500"]
    assert lines[1].split()[:3] == ["mean", "input", "13.333"]
    notes = dict(line.split(": ", 1) for line in lines[2:])
    assert list(notes) == ["model", "input", "PSNR", "SSIM", "PSNR-Y", "SSIM-Y", "all"]
    assert notes["model"] == "how it ran"
    assert "16 to 235" in notes["PSNR-Y"]
    assert notes["all"] == COMMON


def test_values_for_programs(table: Table) -> None:
    values = table.to_dict(ROWS)
    assert values["subjects"] == {"model": "how it ran", "input": "as it is"}
    assert list(values["metrics"]) == ["PSNR", "SSIM", "PSNR-Y", "SSIM-Y"]
    assert values["conditions"] == COMMON
    assert [mean["subject"] for mean in values["means"]] == ["model", "input"]
    assert values["means"][0]["PSNR"] == math.inf
    assert values["rows"][1] == {"picture": 'a, "b"', "subject": "input", **ROWS[1].values}


def test_csv_keeps_every_figure(table: Table, tmp_path: Path) -> None:
    path = tmp_path / "figures.csv"
    table.write_csv(ROWS, path)
    with open(path, newline="", encoding="utf-8") as file:
        read = list(csv.DictReader(file))
    names = [metric.name for metric in table.metrics]
    assert list(read[0]) == ["picture", "subject", *names, "protocol"]
    assert [
        Row(line["picture"], line["subject"], {name: float(line[name]) for name in names})
        for line in read
    ] == ROWS
    assert all(COMMON in line["protocol"] for line in read)
    assert read[0]["protocol"].startswith("how it ran; PSNR: dB, RGB")


def test_a_csv_that_cannot_be_written_leaves_what_stood_there(table: Table, tmp_path: Path) -> None:
    path = tmp_path / "figures.csv"
    path.write_text("precious")
    broken = [*ROWS, Row("c", "model", {})]
    with pytest.raises(KeyError):
        table.write_csv(broken, path)
    assert [p.name for p in tmp_path.iterdir()] == ["figures.csv"]
    assert path.read_text() == "precious"
    with pytest.raises(RestoreError, match=r"\A.*nowhere.*: cannot be written: .*\Z"):
        table.write_csv(ROWS, tmp_path / "nowhere" / "figures.csv")
