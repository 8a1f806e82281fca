from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_run import (
    CONFIG,
    CPU,
    NETWORK,
    assert_same,
    rows,
    run_until,
    sampler,
    trainer,
    values,
)
from torch import Tensor

from restore.errors import ConfigError, TrainingError
from restore.networks.maxim import MaximConfig
from restore.networks.maxim.network import Maxim
from restore.train import loop
from restore.train.config import TrainConfig
from restore.train.devices import Team
from restore.train.loop import Progress, Trainer
from restore.train.losses import charbonnier, fft_l1

SUPPORT = Path(__file__).parents[1] / "support"
TWO_STAGES = replace(NETWORK, num_stages=2, num_supervision_scales=2)


# Learning


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_average_learns_to_brighten(tmp_path: Path, precision: str) -> None:
    config = replace(CONFIG, steps=30, learning_rate=3e-3, warmup_steps=10, precision=precision)
    data = sampler(config, lambda clean, generator: clean / 2)
    run = Trainer(config, data, tmp_path, Team(CPU))
    losses = [row.loss for row in rows(run)]
    assert sum(losses[-5:]) < 0.75 * sum(losses[:5])
    dark, clean = run.sampler.batch(1000)
    with torch.no_grad():
        restored = run.ema(dark)
    assert (restored - clean).square().mean() < 0.5 * (dark - clean).square().mean()


@pytest.mark.parametrize("network", [NETWORK, TWO_STAGES], ids=["one stage", "two stages"])
def test_every_stage_is_trained(tmp_path: Path, network: MaximConfig) -> None:
    run = trainer(tmp_path, replace(CONFIG, network=network))
    before = {name: value.detach().clone() for name, value in run.model.named_parameters()}
    rows(run)
    for stage in range(network.num_stages):
        changed = [
            not torch.equal(value, before[name])
            for name, value in run.model.named_parameters()
            if name.startswith(f"stages.{stage}.")
        ]
        assert sum(changed) > 0.9 * len(changed) > 0


def test_the_losses_of_all_stages_and_scales_count(tmp_path: Path) -> None:
    config = replace(CONFIG, steps=1, network=TWO_STAGES)
    run = trainer(tmp_path, config)
    noisy, clean = run.sampler.batch(0)
    pictures = [picture.detach() for stage in run.model.outputs(noisy) for picture in stage]
    scales = [clean[:, :, 1::2, 1::2], clean] * 2  # the pixel that nearest-exact takes
    assert [p.shape for p in pictures] == [c.shape for c in scales]
    expected = sum(
        charbonnier(picture, target, config.charbonnier_eps).item()
        + config.fft_weight * fft_l1(picture, target).item()
        for picture, target in zip(pictures, scales, strict=True)
    )
    (row,) = rows(run)
    assert row.loss == pytest.approx(expected, rel=1e-5)


def test_the_loss_may_count_the_full_size_output_of_every_stage_alone(tmp_path: Path) -> None:
    config = replace(CONFIG, steps=1, network=TWO_STAGES, supervision="finest")
    run = trainer(tmp_path, config)
    noisy, clean = run.sampler.batch(0)
    finest = [stage[-1].detach() for stage in run.model.outputs(noisy)]
    expected = sum(
        charbonnier(picture, clean, config.charbonnier_eps).item()
        + config.fft_weight * fft_l1(picture, clean).item()
        for picture in finest
    )
    (row,) = rows(run)
    assert row.loss == pytest.approx(expected, rel=1e-5)


def test_outputs_that_do_not_count_keep_their_weights(tmp_path: Path) -> None:
    # The first stage of an official network has three outputs, as this one has two.
    three = replace(TWO_STAGES, num_stages=1)
    for supervision, trained in (("finest", False), ("all", True)):
        config = replace(CONFIG, steps=2, network=three, supervision=supervision)
        run = trainer(tmp_path / supervision, config)
        coarse, finest = run.model.stages[0].output_convs[1], run.model.stages[0].output_convs[0]
        before = [conv.weight.detach().clone() for conv in (coarse, finest)]
        rows(run)
        assert torch.equal(coarse.weight, before[0]) != trained
        assert not torch.equal(finest.weight, before[1])


def test_precision_is_that_of_the_config(tmp_path: Path) -> None:
    full, half = (
        trainer(tmp_path / precision, replace(CONFIG, steps=2, precision=precision))
        for precision in ("float32", "bfloat16")
    )
    full_loss, half_loss = rows(full)[-1].loss, rows(half)[-1].loss
    assert half_loss == pytest.approx(full_loss, rel=0.02)
    assert half_loss != full_loss


def test_the_config_fixes_the_run(tmp_path: Path) -> None:
    one, other, third = (
        trainer(tmp_path / str(i), replace(CONFIG, seed=seed)) for i, seed in enumerate((0, 0, 1))
    )
    for run in (one, other, third):
        rows(run)
    assert_same(one, other)
    with pytest.raises(AssertionError):
        assert_same(one, third)


def test_reports_say_what_was_seen(tmp_path: Path) -> None:
    run = trainer(tmp_path)
    noisy, clean = run.sampler.batch(0)
    error = (noisy.clamp(0, 1) - clean).square().mean()
    first, *_, last = rows(run)  # the first at the identity
    assert first.psnr == pytest.approx(-10 * torch.log10(error).item(), abs=1e-3)
    assert [first.step, first.patches] == [1, 2]
    assert [last.step, last.steps, last.patches] == [6, 6, 12]
    assert first.learning_rate == pytest.approx(CONFIG.learning_rate / 2)  # warm-up of 2 steps


def test_a_validation_is_a_report(tmp_path: Path) -> None:
    found: list[Progress] = []
    trainer(tmp_path, replace(CONFIG, validate_every=4)).run(found.append, report_every=5)
    assert [row.step for row in found] == [4, 5, 6]


def test_losses_are_means_since_the_last_report(tmp_path: Path) -> None:
    single = [row.loss for row in rows(trainer(tmp_path / "one"))]
    grouped: list[Progress] = []
    trainer(tmp_path / "two").run(grouped.append, report_every=4)
    assert [row.step for row in grouped] == [4, 6]
    assert [row.loss for row in grouped] == pytest.approx(
        [sum(single[:4]) / 4, sum(single[4:]) / 2], rel=1e-5
    )


@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_the_average_follows_the_weights(tmp_path: Path, decay: float) -> None:
    run = trainer(tmp_path, replace(CONFIG, steps=1, ema_decay=decay))
    before = values(run)
    rows(run)
    after = values(run)
    kept = min(decay, 0.1)  # little at first, or the initialisation would last
    for name in run.model.state_dict():
        expected = kept * before[f"model {name}"] + (1 - kept) * after[f"model {name}"]
        torch.testing.assert_close(after[f"ema {name}"], expected)


def test_a_run_starts_from_a_given_model(tmp_path: Path) -> None:
    model = trainer(tmp_path).model
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(0.125)
    run = Trainer(CONFIG, sampler(), tmp_path, Team(CPU), start_from=model)
    for part in (run.model, run.ema):
        assert all((parameter == 0.125).all() for parameter in part.parameters())


def test_a_model_of_another_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="another network configuration"):
        Trainer(CONFIG, sampler(), tmp_path, Team(CPU), start_from=Maxim(TWO_STAGES))


# Batches that cannot be learned from


class Spoilt:
    """A sampler whose batches at some steps are not finite."""

    def __init__(self, steps: set[int]):
        self.good, self.steps = sampler(), steps

    @property
    def sources(self) -> list[object]:
        return self.good.sources

    def batch(self, step: int, part: int) -> tuple[Tensor, Tensor]:
        degraded, clean = self.good.batch(step, part)
        return (degraded * float("nan") if step in self.steps else degraded), clean


def spoilt(folder: Path, steps: set[int]) -> Trainer:
    return Trainer(CONFIG, Spoilt(steps), folder, Team(CPU))  # type: ignore[arg-type]


def test_a_batch_that_is_not_finite_is_skipped(tmp_path: Path) -> None:
    run = spoilt(tmp_path, {3})
    run_until(run, 3)
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    run_until(run, 4)
    torch.testing.assert_close(dict(run.model.state_dict()), before, rtol=0, atol=0)
    rows(run)
    assert (run.step, run.skipped) == (6, 1)
    assert all(value.isfinite().all() for value in values(run).values())
    assert any(not torch.equal(v, before[n]) for n, v in run.model.state_dict().items())


def test_a_run_that_skipped_resumes_exactly(tmp_path: Path) -> None:
    once = spoilt(tmp_path / "once", {1})
    rows(once)
    cut = spoilt(tmp_path / "cut", {1})
    run_until(cut, 3)
    cut.save()
    again = spoilt(tmp_path / "cut", {1})
    assert again.resume()
    rows(again)
    assert_same(again, once)


def test_only_skips_in_a_row_end_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "MAX_SKIPPED_IN_A_ROW", 2)
    rows(spoilt(tmp_path / "scattered", {0, 1, 3, 4}))
    with pytest.raises(TrainingError, match="lower the learning rate"):
        rows(spoilt(tmp_path / "in a row", {1, 2, 3}))


# Exact resume


@pytest.mark.parametrize(
    "config",
    [
        CONFIG,
        replace(CONFIG, precision="bfloat16"),
        replace(CONFIG, network=TWO_STAGES, pixels_per_step=32 * 32, steps=5, weight_decay=0.1),
        replace(CONFIG, network=TWO_STAGES, steps=5, weight_decay=0.1, supervision="finest"),
    ],
    ids=["float32", "bfloat16", "two stages", "finest outputs"],
)
def test_an_interrupted_run_goes_on_exactly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: TrainConfig
) -> None:
    once = trainer(tmp_path / "once", config)
    rows(once)
    monkeypatch.setattr(loop, "SAVE_EVERY_SECONDS", 0)  # after every step
    run_until(trainer(tmp_path / "cut", config), 4)
    again = trainer(tmp_path / "cut", config)
    assert again.resume()
    assert again.step == 3  # the report of step 4 came before its save
    rows(again)
    assert_same(again, once)


def test_a_finished_run_has_nothing_left_to_do(tmp_path: Path) -> None:
    once = trainer(tmp_path)
    rows(once)
    again = trainer(tmp_path)
    assert again.resume()
    assert rows(again) == []
    assert_same(again, once)


KILLED = """
import os, signal, sys
from pathlib import Path
import torch
from tiny_run import trainer
from restore.train import loop, state

folder, moment = Path(sys.argv[1]), sys.argv[2]
torch.set_num_threads(1)
loop.SAVE_EVERY_SECONDS = 0
state.SHARD_BYTES = 100_000
run = trainer(folder)
write = state.save_file

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def write_or_die(tensors, path):
    if run.step == 4 and path.stem == "shard-001":
        path.write_bytes(b"half")
        die()
    write(tensors, path)

if moment == "in a save":
    state.save_file = write_or_die
run.run(lambda row: die() if row.step == 4 and moment == "in a step" else None, report_every=1)
"""


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["in a step", "in a save"])
def test_a_killed_run_goes_on_exactly(tmp_path: Path, moment: str) -> None:
    command = [sys.executable, "-B", "-W", "error", "-c", KILLED, str(tmp_path / "cut"), moment]
    child = subprocess.run(command, cwd=SUPPORT, capture_output=True, text=True, timeout=240)
    assert (child.returncode, child.stderr) == (-signal.SIGKILL, "")
    once, again = trainer(tmp_path / "once"), trainer(tmp_path / "cut")
    rows(once)
    assert again.resume()
    assert again.step == 3
    rows(again)
    assert_same(again, once)
    assert [path.name for path in (tmp_path / "cut").iterdir()] == ["state-00000006"]


# Stopping, and batches of several parts


def test_a_run_asked_to_stop_saves_the_step_it_was_in_and_goes_on_exactly(tmp_path: Path) -> None:
    once = trainer(tmp_path / "once")
    rows(once)
    cut = trainer(tmp_path / "cut")
    reported: list[int] = []
    assert not cut.run(lambda row: reported.append(row.step), should_stop=lambda: cut.step == 3)
    assert reported == [3]
    again = trainer(tmp_path / "cut")
    assert again.resume()
    assert again.step == 3
    assert again.run(lambda row: None)
    assert_same(again, once)


def test_parts_of_a_step_are_averaged(tmp_path: Path) -> None:
    config = replace(CONFIG, batches_per_step=3, steps=1)
    run = trainer(tmp_path, config)
    parts = [run.sampler.batch(0, part) for part in range(3)]
    assert not torch.equal(parts[0][1], parts[1][1])
    whole = [torch.cat(halves) for halves in zip(*parts, strict=True)]
    loss, _ = run._loss(*whole)
    expected = torch.autograd.grad(loss, run.model.stages[0].parameters(), allow_unused=True)
    (row,) = rows(run)
    assert (row.patches, row.loss) == (6, pytest.approx(loss.item(), rel=1e-5))
    # The first moment after one step: a tenth of the clipped gradient.
    norm = torch.cat([g.flatten() for g in expected if g is not None]).norm()
    scale = min(1.0, config.clip_norm / norm.item())
    for gradient, parameter in zip(expected, run.model.stages[0].parameters(), strict=True):
        if gradient is not None:
            moment = run.optimizer.state[parameter]["exp_avg"]
            torch.testing.assert_close(moment, 0.1 * scale * gradient, rtol=2e-3, atol=1e-7)


class TwoProcesses(Team):
    """One of two, as a process sees it that cannot talk."""

    size = 2


def test_devices_that_cannot_share_a_step_evenly_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="batches_per_step is 3; 2 devices"):
        Trainer(replace(CONFIG, batches_per_step=3), sampler(), tmp_path, TwoProcesses(CPU))
