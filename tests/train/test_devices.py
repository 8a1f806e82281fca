from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch
from command import restore
from PIL import Image
from safetensors.torch import load_file
from tiny_run import CONFIG, CPU, picture

from restore.errors import UsageError
from restore.train.devices import assemble

PROGRAM = [sys.executable, "-B", "-m", "restore.cli", "train", "denoise"]
DATA = ("--clean", "clean")
TWICE = replace(CONFIG, steps=12, batches_per_step=2, patches=((32, 32), (32, 64)))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("devices")
    (folder / "clean").mkdir()
    for i in range(3):
        Image.fromarray(picture(60, 70, seed=i)).save(folder / f"clean/{i}.png")
    for name, config in (("twice", TWICE), ("long", replace(TWICE, steps=100_000))):
        (folder / f"{name}.json").write_text(json.dumps(config.to_dict()))
    silent = {k: v for k, v in TWICE.to_dict().items() if k != "batches_per_step"}
    (folder / "silent.json").write_text(json.dumps(silent))
    return folder


def arguments(run: str, *words: str, config: str = "twice") -> tuple[str, ...]:
    where = ("--run", run, "--out", f"{run}.safetensors")
    return (*DATA, "--config", f"{config}.json", "--device", "cpu", *where, *words)


def start(place: Path, run: str, *words: str, config: str = "twice") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*PROGRAM, *arguments(run, *words, config=config)],
        cwd=place,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_one_device_needs_nobody() -> None:
    team = assemble("cpu", 1)
    assert (team.rank, team.size, team.device) == (0, 1, CPU)
    value = torch.ones(3)
    assert team.mean(value) is value


@pytest.mark.slow
def test_two_processes_make_what_one_makes_of_twice_the_batch(place: Path) -> None:
    alone = restore("train", "denoise", *arguments("one"), cwd=place)
    with start(place, "two", "--devices", "2") as process:
        out, err = process.communicate(timeout=120)
    for code, said, complained in (
        (alone.code, alone.stdout, alone.stderr),
        (process.returncode, out, err),
    ):
        assert code == 0, complained
        (line,) = said.splitlines()  # one process speaks
        assert "12 steps, " in line
    one, two = (load_file(place / f"{run}.safetensors") for run in ("one", "two"))
    assert one.keys() == two.keys()
    for name in one:
        torch.testing.assert_close(two[name], one[name], rtol=1e-3, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopping_one_process_saves_and_ends_both(place: Path, number: signal.Signals) -> None:
    run = place / number.name
    with start(place, number.name, "--devices", "2", config="long") as process:
        deadline = time.monotonic() + 120
        while not (run / "log.csv").exists() or len((run / "log.csv").read_text()) < 120:
            assert time.monotonic() < deadline
            assert process.poll() is None, process.communicate()
            time.sleep(0.1)
        process.send_signal(number)
        _, err = process.communicate(timeout=120)
    assert process.returncode == (130 if number == signal.SIGINT else -signal.SIGTERM)
    assert "; the same command goes on from there" in err
    (state,) = run.glob("state-*")
    assert f"saved at step {json.loads((state / 'state.json').read_text())['step']:,};" in err


@pytest.mark.slow
def test_torchrun_starts_the_processes_too(place: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    words = ["-m", *PROGRAM[3:], *DATA, "--config", "silent.json", "--device", "cpu"]
    done = subprocess.run(
        [*command, *words, "--into", "torchrun", "--out", "torchrun.safetensors"],
        cwd=place,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "torchrun: 12 steps" in done.stdout
    training = json.loads((place / "torchrun.json").read_text())["training"]
    assert training["batches_per_step"] == 2  # one for each process
    assert training["patches_seen"] > 12


@pytest.mark.slow
def test_processes_that_cannot_share_a_step_are_one_line(place: Path) -> None:
    outcome = restore("train", "denoise", *arguments("three", "--devices", "3"), cwd=place)
    assert outcome.code == 1
    assert outcome.stderr == "error: batches_per_step is 2; 3 devices cannot share that evenly\n"
    assert not (place / "three").exists()


@pytest.mark.slow
def test_the_loss_of_a_process_is_one_line(place: Path) -> None:
    with start(place, "lost", "--devices", "2", config="long") as process:
        deadline = time.monotonic() + 120
        while not (place / "lost/log.csv").exists():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        (child,) = psutil.Process(process.pid).children()
        child.kill()
        _, err = process.communicate(timeout=120)
    assert process.returncode != 0
    *_, last = err.splitlines()
    assert last.startswith("error: another process of this training has ended: ")
    assert "Traceback" not in err


def test_a_single_device_and_several_processes_do_not_go_together() -> None:
    with pytest.raises(UsageError, match="device=cpu:0 names one device"):
        assemble("cpu:0", 2)
