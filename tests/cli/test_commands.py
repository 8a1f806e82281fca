"""The program as a user runs it: real subprocesses, real files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command import CommandResult, one_error_line, restore
from models import save_model
from PIL import Image

from restore.checkpoints import store


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    pixels = np.random.default_rng(0).integers(0, 256, (21, 34, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def identity(tmp_path: Path) -> Path:
    return save_model(tmp_path, identity=True)


def denoise(photo: Path, out: Path, model: Path, *options: str) -> CommandResult:
    return restore("denoise", photo, out, "--model", model, *options)


def test_restores_a_picture(photo: Path, identity: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    outcome = denoise(photo, out, identity)
    assert outcome.code == 0, outcome.stderr
    assert "tiny" in outcome.stdout
    with Image.open(photo) as before, Image.open(out) as after:
        np.testing.assert_array_equal(np.asarray(before), np.asarray(after))


def test_json_is_one_object_and_quiet_is_silent(
    photo: Path, identity: Path, tmp_path: Path
) -> None:
    values = json.loads(denoise(photo, tmp_path / "a.png", identity, "--json").stdout)
    assert values["task"] == "denoise"
    assert (values["width"], values["height"]) == (34, 21)
    assert values["seconds"] > 0
    quiet = denoise(photo, tmp_path / "b.png", identity, "--quiet")
    assert (quiet.stdout, quiet.stderr) == ("", "")


def test_an_existing_output_is_kept_without_overwrite(
    photo: Path, identity: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.png"
    out.write_bytes(b"precious")
    assert "--overwrite" in one_error_line(denoise(photo, out, identity))
    assert out.read_bytes() == b"precious"
    assert denoise(photo, out, identity, "--overwrite").code == 0
    assert out.read_bytes() != b"precious"


def test_a_picture_can_replace_itself(photo: Path, identity: Path) -> None:
    assert denoise(photo, photo, identity, "--overwrite").code == 0
    assert [p.name for p in photo.parent.glob("*.png")] == ["photo.png"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("absent.png", "out.png"), "no such file"),
        (("photo.png", "out.xyz"), "unknown output format"),
        (("photo.png", "nowhere/out.png"), "does not exist"),
        (("photo.png", "out.png", "--model", "no-such"), "restore models"),
        (("photo.png", "out.png", "--model", "no-such.safetensors"), "no such model file"),
        (("broken.png", "out.png"), "broken.png"),
    ],
)
def test_failures_print_one_line_and_leave_nothing(
    photo: Path, identity: Path, arguments: tuple[str, ...], message: str
) -> None:
    folder = photo.parent
    (folder / "broken.png").write_bytes(photo.read_bytes()[:200])
    before = sorted(folder.iterdir())
    model = () if "--model" in arguments else ("--model", identity)
    outcome = restore("denoise", *arguments, *model, cwd=folder)
    assert message in one_error_line(outcome)
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(
    "arguments", [("denoise",), ("denoise", "a.png", "b.png", "--strength", "2"), ("sharpen", "x")]
)
def test_wrong_usage_exits_with_two(arguments: tuple[str, ...]) -> None:
    assert restore(*arguments).code == 2


@pytest.mark.parametrize("option", ["--device", "--precision", "--tile"])
def test_unknown_options_are_wrong_usage(
    photo: Path, identity: Path, tmp_path: Path, option: str
) -> None:
    outcome = denoise(photo, tmp_path / "out.png", identity, option, "abacus")
    assert "'abacus'" in one_error_line(outcome, code=2)


@pytest.mark.parametrize(
    "name", ["x" * 300 + ".png", "\N{CJK UNIFIED IDEOGRAPH-7530}" * 80 + ".png"]
)
def test_long_names_are_written_or_refused_in_one_line(
    photo: Path, identity: Path, tmp_path: Path, name: str
) -> None:
    outcome = denoise(photo, tmp_path / name, identity)
    if len(name.encode()) < 256:
        assert outcome.code == 0, outcome.stderr
        assert (tmp_path / name).exists()
    else:
        assert "too long" in one_error_line(outcome)


def test_a_link_stays_a_link_and_a_mode_a_mode(photo: Path, identity: Path, tmp_path: Path) -> None:
    real, link = tmp_path / "real.png", tmp_path / "link.png"
    real.write_bytes(photo.read_bytes())
    real.chmod(0o600)
    link.symlink_to(real)
    assert denoise(photo, link, identity, "--overwrite").code == 0
    assert link.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o600
    dangling = tmp_path / "dangling.png"
    dangling.symlink_to(tmp_path / "nowhere.png")
    assert "exists already" in one_error_line(denoise(photo, dangling, identity))


def test_debug_shows_the_traceback(photo: Path, tmp_path: Path) -> None:
    outcome = restore("denoise", tmp_path / "absent.png", tmp_path / "out.png", "--debug")
    assert outcome.code == 1
    assert "Traceback" in outcome.stderr


def test_a_missing_model_says_how_to_get_it(photo: Path, tmp_path: Path) -> None:
    words = ("enhance", photo, tmp_path / "out.png", "--model", "enhance-lol")
    outcome = restore(*words, home=tmp_path / "empty")
    assert "restore weights pull enhance-lol" in one_error_line(outcome)


def test_a_model_for_another_task_is_refused(photo: Path, identity: Path, tmp_path: Path) -> None:
    outcome = restore("deblur", photo, tmp_path / "out.png", "--model", identity)
    assert "not for deblur" in one_error_line(outcome)


@pytest.mark.slow
def test_ctrl_c_leaves_nothing_behind(identity: Path, tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    Image.new("RGB", (3000, 3000)).save(large)
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "restore.cli", "denoise", large, tmp_path / "out.png"),
            *("--model", identity, "--tile", "32"),
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    process.stderr.readline()  # the first progress line: it is at work
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 130
    assert rest.strip().splitlines()[-1].startswith("interrupted")
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == ["large.png", "tiny.json", "tiny.safetensors"]


def test_models_lists_shipped_downloaded_and_available(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    save_model(tmp_path / "models", name="deblur-gopro", task="deblur")
    outcome = restore("models", "--json", home=tmp_path)
    state = {row["name"]: row["state"] for row in json.loads(outcome.stdout)}
    shipped = {path.stem for path in store.shipped_folder().glob("*.safetensors")}
    assert {name for name, s in state.items() if s == "shipped"} == shipped
    assert state["deblur-gopro"] == "downloaded"
    assert sum(s == "available" for s in state.values()) == 10
    table = restore("models", home=tmp_path).stdout
    for name in state:
        assert name in table


def test_convert_makes_a_model_that_verifies(tmp_path: Path) -> None:
    """An S-1 checkpoint, through the command a user would type."""
    import golden_cases
    import torch

    from restore.checkpoints import official, weights
    from restore.networks.maxim import VARIANTS
    from restore.networks.maxim.network import Maxim

    with torch.device("meta"):
        shapes = official.official_shapes(Maxim(VARIANTS["S-1"]))
    arrays = golden_cases.draw({k: list(v) for k, v in shapes.items()}, seed=1)
    np.savez(tmp_path / "official.npz", **arrays)
    out = tmp_path / "mine.safetensors"
    command = ("weights", "convert", tmp_path / "official.npz", out, "--task", "derain")
    outcome = restore(*command, "--variant", "S-1")
    assert outcome.code == 0, outcome.stderr
    model = weights.load(out)
    assert store.find("derain", out).card.variant == "S-1"
    key = "opt/target/stage_0_input_conv_0/bias"
    bias = model.state_dict()["stages.0.input_convs.0.bias"]
    np.testing.assert_array_equal(bias.numpy(), arrays[key])
    assert "overwrite" in one_error_line(restore(*command, "--variant", "S-1"))
    assert restore(*command, "--variant", "S-9").code == 2
    wrong = restore(*command, "--variant", "S-2", "--overwrite")
    assert "is missing opt/target/" in one_error_line(wrong)
    assert out.exists()


def test_verify_finds_a_damaged_model(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    path = save_model(tmp_path / "models", name="deblur-reds", task="deblur")
    assert restore("weights", "verify", home=tmp_path).code == 0
    path.write_bytes(path.read_bytes()[:-3])
    outcome = restore("weights", "verify", home=tmp_path)
    assert outcome.code == 1
    assert "DAMAGED" in outcome.stdout


def test_pull_without_a_network_is_one_line(tmp_path: Path) -> None:
    outcome = restore(
        "weights", "pull", "deblur-reds", home=tmp_path, RESTORE_WEIGHTS_URL="http://127.0.0.1:9"
    )
    assert "cannot reach 127.0.0.1" in one_error_line(outcome)
    assert "no official checkpoint" in one_error_line(restore("weights", "pull", "nothing"))


def test_degrade_is_repeatable_and_zero_is_nothing(photo: Path, tmp_path: Path) -> None:
    outs = [tmp_path / f"{i}.png" for i in range(4)]
    for out, options in zip(
        outs, (("--seed", "3"), ("--seed", "3"), ("--seed", "4"), ("--severity", "0")), strict=True
    ):
        assert restore("degrade", "noise", photo, out, *options).code == 0
    contents = [np.asarray(Image.open(out)) for out in outs]
    np.testing.assert_array_equal(contents[0], contents[1])
    assert (contents[0] != contents[2]).any()
    np.testing.assert_array_equal(contents[3], np.asarray(Image.open(photo)))


def test_help_and_version_import_nothing_heavy() -> None:
    for option in ("--help", "--version"):
        outcome = restore(option, fresh=True, PYTHONPROFILEIMPORTTIME="1")
        assert outcome.code == 0
        imported = {line.rpartition("|")[2].strip() for line in outcome.stderr.splitlines()}
        assert "typer" in imported
        assert not imported & {"torch", "cv2", "kornia", "numpy", "PIL", "httpx"}


def imported(*command: str) -> set[str]:
    words = [sys.executable, "-X", "importtime", *command]
    run = subprocess.run(words, check=True, capture_output=True, text=True)
    return {line.rpartition("|")[2].strip() for line in run.stderr.splitlines()}


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_imports_little_more_than_its_libraries(option: str) -> None:
    further = imported("-m", "restore.cli", option) - imported("-c", "import typer, rich")
    foreign = {name for name in further if name.split(".")[0] not in ("restore", "typer", "click")}
    assert len(foreign) <= 8, sorted(foreign)
    assert not foreign & {"hashlib", "json", "random"}
    assert len(further) <= 80, sorted(further)


def test_the_installed_program_is_the_module() -> None:
    program = Path(sys.executable).with_name("restore" + (".exe" if os.name == "nt" else ""))
    if not program.exists():
        pytest.skip(f"{program} is not installed")
    script = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    assert script.stdout == restore("--version", fresh=True).stdout
