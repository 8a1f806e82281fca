"""`restore models` and `restore weights`: the table, whole cards, and files that are judged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import packages
import pytest
from command import one_error_line, restore
from models import save_model

from restore.checkpoints import zoo

ROOT = Path(__file__).parents[2]
NOWHERE = {"RESTORE_WEIGHTS_URL": "http://127.0.0.1:9"}


def test_the_table_fits_100_columns(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    save_model(tmp_path / "models", name="a-model-with-a-long-name", task="derain")
    lines = restore("models", home=tmp_path).stdout.splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[0].split() == ["name", "head", "quality", "size", "installed", "figure"]
    rows = {line.split()[0]: line for line in lines[1:] if line}
    assert rows["derain-rain13k"].split()[1:6] == ["derain", "best", "56.7", "MB", "no"]
    assert rows["denoise-small"].split()[1:3] == ["denoise", "fast"]
    assert "shipped" in rows["denoise-small"]
    assert "PSNR" in rows["denoise-small"]
    assert "downloaded" in rows["a-model-with-a-long-name"]
    assert len([line for line in lines if line]) == 2 + len(json.loads(as_json(tmp_path)))


def as_json(home: Path, *words: str) -> str:
    return restore("models", *words, "--json", home=home).stdout


def test_a_whole_card_is_shown_by_name_or_file(tmp_path: Path) -> None:
    shown = restore("models", "derain-rain13k", home=tmp_path).stdout
    official = zoo.OFFICIAL["derain-rain13k"]
    assert official.pins is not None
    for value in ("available", "S-2", "Apache-2.0", "Rain13k", "multiples of 64", "14,170,988"):
        assert value in shown
    assert official.pins.model in shown
    assert shown.count("published, MAXIM paper") == 2
    path = save_model(tmp_path, name="mine", task="enhance", limits="Night only.")
    assert "Night only." in restore("models", path, home=tmp_path).stdout
    assert "no model is called" in one_error_line(restore("models", "nothing", home=tmp_path))


def test_json_holds_the_list_or_the_whole_card(tmp_path: Path) -> None:
    rows = json.loads(as_json(tmp_path))
    row = next(row for row in rows if row["name"] == "enhance-lol")
    assert (row["state"], row["quality"], row["task"]) == ("available", "best", "enhance")
    assert row["size"] == 4 * row["parameters"]
    card = json.loads(as_json(tmp_path, "enhance-lol"))
    assert card["state"] == "available"
    assert card["network"]["num_stages"] == 2
    assert card["size_multiple"] == [64, 64]
    assert {key: card[key] for key in row} == row


def test_verify_judges_the_files_it_is_given(tmp_path: Path) -> None:
    good = save_model(tmp_path, name="good")
    bare = save_model(tmp_path, name="bare")
    bare.with_suffix(".json").unlink()
    damaged = save_model(tmp_path, name="damaged")
    damaged.write_bytes(damaged.read_bytes()[:-1])
    fake = save_model(tmp_path, name="enhance-lol", task="enhance")
    outcome = restore("weights", "verify", good)
    assert (outcome.code, outcome.stdout) == (0, f"ok       {good}\n")
    outcome = restore("weights", "verify", good, bare, damaged, fake, tmp_path / "absent")
    assert outcome.code == 1
    starts = ["ok       ", "NO CARD  ", "DAMAGED  ", "NOT OFFICIAL ", "MISSING  "]
    for line, start in zip(outcome.stdout.splitlines(), starts, strict=True):
        assert line.startswith(start)


def test_verify_examines_the_judge_of_pictures_too(tmp_path: Path) -> None:
    outcome = restore("weights", "verify", home=tmp_path)
    assert outcome.code == 0
    (line,) = (line for line in outcome.stdout.splitlines() if "judge-small" in line)
    assert line.startswith("ok ")


def test_convert_says_what_is_wrong_with_a_package(tmp_path: Path) -> None:
    arrays = packages.traced(packages.small_arrays())
    folder = packages.package(arrays).write_folder(tmp_path / "p")
    out = tmp_path / "out.safetensors"
    unknown = restore("weights", "convert", folder, out)
    assert "name its head with --task HEAD" in one_error_line(unknown, 2)
    no_variant = restore("weights", "convert", folder, out, "--task", "derain")
    assert "--variant" in one_error_line(no_variant, 2)
    wrong = restore("weights", "convert", folder, out, "--task", "derain", "--variant", "S-2")
    assert "opt/target/" in one_error_line(wrong)
    next(folder.glob("*shard3of*")).unlink()
    assert "is missing" in one_error_line(restore("weights", "convert", folder, out))
    assert not out.exists()


def test_pull_needs_one_name_or_all(tmp_path: Path) -> None:
    for words in ((), ("derain", "--all"), ("--all", "--sha256", "0"), ("--all", "--source", "x")):
        one_error_line(restore("weights", "pull", *words, home=tmp_path), 2)


def test_pull_all_goes_on_after_a_failure(tmp_path: Path) -> None:
    outcome = restore("weights", "pull", "--all", home=tmp_path, PATH=str(tmp_path), **NOWHERE)
    assert outcome.code == 1
    errors = [line for line in outcome.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 12
    assert sum("install Node.js" in line for line in errors) == 7
    assert sum("is not on npm" in line for line in errors) == 4
    assert errors[-1] == "error: 11 of 11 models could not be pulled"
    assert list((tmp_path / "models").glob("*.safetensors")) == []


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    """A limit on the size of files stands in for the disk; the checkpoint is an S-1 of 25 MB."""
    import golden_cases
    import numpy as np
    import torch

    from restore.checkpoints import official
    from restore.networks.maxim import VARIANTS
    from restore.networks.maxim.network import Maxim

    with torch.device("meta"):
        shapes = official.official_shapes(Maxim(VARIANTS["S-1"]))
    arrays = golden_cases.draw({k: list(v) for k, v in shapes.items()}, seed=1)
    np.savez(tmp_path / "official.npz", **arrays)
    out = tmp_path / "out.safetensors"
    command = [
        *("bash", "-c", 'ulimit -f 2000; exec "$@"', "bash", sys.executable, "-m", "restore.cli"),
        *("weights", "convert", tmp_path / "official.npz", out, "--task", "derain"),
    ]
    environment = os.environ | {"RESTORE_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "cannot be written" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["official.npz"]
