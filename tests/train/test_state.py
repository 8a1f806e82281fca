from __future__ import annotations

import errno
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_run import CONFIG, CPU, NETWORK, assert_same, clean_pictures, noise, picture, trainer

from restore.degrade.recipes import Recipe
from restore.errors import TrainingError
from restore.train import state
from restore.train.config import TrainConfig
from restore.train.data import Sampler
from restore.train.devices import Team
from restore.train.loop import Trainer

SUPPORT = Path(__file__).parents[1] / "support"
SMALL_SHARDS = 100_000


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "SHARD_BYTES", SMALL_SHARDS)


def trained(folder: Path, steps: int = 2) -> Trainer:
    """A run of some steps, saved at its end."""
    run = trainer(folder, replace(CONFIG, steps=steps))
    run.run(lambda row: None)
    return run


def resumed(folder: Path, steps: int = 2) -> Trainer:
    run = trainer(folder, replace(CONFIG, steps=steps))
    assert run.resume()
    return run


def found(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# Complete and exact


def test_a_state_comes_back_exactly(tmp_path: Path) -> None:
    run = trained(tmp_path)
    run.skipped = 1  # one step less for the optimizer
    run.save()
    back = resumed(tmp_path)
    for moments in back.optimizer.state.values():
        assert moments["step"] == 1
        moments["step"] += 1  # the pretended skip aside, the same
    assert (back.step, back.patches, back.skipped) == (2, 4, 1)
    assert_same(back, run)


def test_the_state_of_a_run_that_has_not_begun_comes_back(tmp_path: Path) -> None:
    fresh = trainer(tmp_path)
    fresh.save()
    back = trainer(tmp_path)
    assert back.resume()
    for run in (fresh, back):
        run.run(lambda row: None)
    assert_same(back, fresh)


@pytest.mark.parametrize("name", ["empty", "absent"])
def test_without_a_state_nothing_is_resumed(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    assert not trainer(tmp_path / name).resume()


@pytest.mark.usefixtures("small_shards")
def test_shards_keep_to_their_size(tmp_path: Path) -> None:
    run = trained(tmp_path)
    sizes = [path.stat().st_size for path in tmp_path.glob("state-*/shard-*.safetensors")]
    assert len(sizes) >= 3
    assert max(sizes) <= SMALL_SHARDS
    assert_same(resumed(tmp_path), run)


def test_shards_are_at_most_16_megabytes() -> None:
    assert state.SHARD_BYTES <= 16_000_000


def test_only_the_newest_state_is_kept(tmp_path: Path) -> None:
    run = trainer(tmp_path)
    for run.step in (9, 10, 100):
        run.save()
    assert found(tmp_path) == ["state-00000100"]


def test_the_newest_state_is_taken_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = trainer(tmp_path)
    # As after a kill between the new state and the end of the old ones.
    monkeypatch.setattr(state.shutil, "rmtree", lambda *args, **kwargs: None)
    for run.step in (9, 10, 100):
        run.save()
    assert len(found(tmp_path)) == 3
    back = trainer(tmp_path)
    assert back.resume()
    assert back.step == 100


# Not this run's, or not whole


@pytest.mark.parametrize(
    ("config", "named"),
    [
        (replace(CONFIG, learning_rate=1e-2), "learning_rate = 0.001, not 0.01"),
        (replace(CONFIG, seed=5), "seed = 0, not 5"),
        (replace(CONFIG, patches=((64, 32),)), "patches = "),
        (replace(CONFIG, network=replace(NETWORK, features=6)), "network.features = 4, not 6"),
    ],
)
def test_the_state_of_another_config_is_refused(
    tmp_path: Path, config: TrainConfig, named: str
) -> None:
    trainer(tmp_path).save()
    with pytest.raises(TrainingError, match=f"state-00000000: belongs to a run with {named}"):
        trainer(tmp_path, config).resume()


def test_the_state_of_other_pictures_is_refused(tmp_path: Path) -> None:
    trainer(tmp_path).save()
    other = Sampler([clean_pictures(picture(40, 56))], CONFIG, Recipe(noise), CPU)
    with pytest.raises(TrainingError, match=r"belongs to a run with sources = .* 2.*, not .* 1"):
        Trainer(CONFIG, other, tmp_path, Team(CPU)).resume()


def test_a_state_of_an_older_version_has_the_defaults_of_newer_fields(tmp_path: Path) -> None:
    run = trained(tmp_path)
    path = tmp_path / "state-00000002" / "state.json"
    header = json.loads(path.read_text())
    del header["stretches"], header["config"]["supervision"], header["config"]["target_draws"]
    path.write_text(json.dumps(header))
    back = resumed(tmp_path)
    assert_same(back, run)
    assert back.stretches == run.stretches


def test_a_folder_is_checked_before_anything_is_read(tmp_path: Path) -> None:
    state.check(tmp_path, CONFIG)
    trainer(tmp_path).save()
    state.check(tmp_path, CONFIG)
    with pytest.raises(TrainingError, match="belongs to a run with seed = 0, not 5"):
        state.check(tmp_path, replace(CONFIG, seed=5))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def without_step(path: Path) -> None:
    header = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in header.items() if k != "step"}))


def misshapen(path: Path) -> None:
    tensors = load_file(path)
    name = next(iter(tensors))
    save_file(tensors | {name: torch.zeros(2)}, path)


@pytest.mark.usefixtures("small_shards")
@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("shard-001.safetensors", truncate),
        ("shard-001.safetensors", lambda path: path.write_bytes(b"")),
        ("shard-001.safetensors", Path.unlink),
        ("shard-001.safetensors", misshapen),
        ("state.json", truncate),
        ("state.json", Path.unlink),
        ("state.json", without_step),
        ("state.json", lambda path: path.write_text("[]")),
        ("state.json", lambda path: path.write_bytes(b"\xff\xfe")),
    ],
)
def test_a_damaged_state_is_refused(
    tmp_path: Path, name: str, damage: Callable[[Path], object]
) -> None:
    trainer(tmp_path).save()
    damage(tmp_path / "state-00000000" / name)
    with pytest.raises(TrainingError, match="state-00000000: damaged training state: ") as caught:
        trainer(tmp_path).resume()
    assert len(str(caught.value)) < len(str(tmp_path)) + 300


# Cut short


class Failing:
    """Works ``times``, then does half of the work and raises."""

    def __init__(self, work: Callable[..., object], times: int, error: BaseException):
        self.work, self.left, self.error = work, times, error

    def __call__(self, *args: object) -> object:
        if self.left:
            self.left -= 1
            return self.work(*args)
        path = args[-1]
        assert isinstance(path, Path)
        if path.parent.is_dir() and path.suffix:
            path.write_bytes(b"half")
        raise self.error


FULL_DISK = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.usefixtures("small_shards")
@pytest.mark.parametrize(
    ("error", "raised"),
    [(FULL_DISK, TrainingError), (KeyboardInterrupt(), KeyboardInterrupt)],
    ids=["full disk", "Ctrl-C"],
)
@pytest.mark.parametrize("writes", [0, 1, 2, 3])
def test_a_save_cut_short_leaves_the_state_before(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    raised: type[BaseException],
    writes: int,
) -> None:
    run = trained(tmp_path)
    run.step += 1
    with monkeypatch.context() as patched:
        patched.setattr(state, "_sync", Failing(state._sync, writes, error))
        with pytest.raises(raised):
            run.save()
    assert found(tmp_path) == ["state-00000002"]
    run.step -= 1
    assert_same(resumed(tmp_path), run)


def test_what_a_killed_run_left_half_written_is_not_taken_up_and_goes(tmp_path: Path) -> None:
    run = trained(tmp_path)
    (tmp_path / "state-00000003.partial").mkdir()
    assert_same(resumed(tmp_path), run)
    run.step = 4
    run.save()
    assert found(tmp_path) == ["state-00000004"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "run").touch()
    with pytest.raises(TrainingError, match="run: the training state cannot be written: Not a dir"):
        trainer(tmp_path / "run").save()


FULL = """
import resource, sys
from pathlib import Path
from tiny_run import trainer
from restore.errors import TrainingError

run = trainer(Path(sys.argv[1]))
run.save()
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
run.step = 1
try:
    run.save()
except TrainingError as error:
    print(error)
"""


@pytest.mark.slow
def test_a_file_that_cannot_grow_leaves_the_state_before(tmp_path: Path) -> None:
    # The real behaviour on a full disk, including safetensors' own writing.
    command = [sys.executable, "-B", "-W", "error", "-c", FULL, str(tmp_path)]
    child = subprocess.run(command, cwd=SUPPORT, capture_output=True, text=True, timeout=240)
    assert child.stderr == ""
    assert "File too large" in child.stdout
    assert child.stdout.endswith("; the one before it is intact\n")
    assert found(tmp_path) == ["state-00000000"]
    assert trainer(tmp_path).resume()
