from __future__ import annotations

import pytest
from tiny_run import CONFIG, CPU

from restore.benchmark.machine_peak import convolution_peak
from restore.benchmark.training_speed import measure
from restore.train.job import Hardware


@pytest.mark.slow
def test_throughput_agrees_with_itself() -> None:
    found = measure(CONFIG, Hardware("cpu"), seconds=1)
    assert found is not None
    assert found.patches_per_step == 1  # of 128 x 128, never less
    assert found.patches_per_second == pytest.approx(
        found.patches_per_step / found.seconds_per_step
    )
    assert found.steps >= 3
    assert 0 < found.waiting < 1
    assert 0 < found.of_peak < 1


def test_the_peak_is_what_a_machine_can_do() -> None:
    import torch

    assert 1e8 < convolution_peak(CPU, torch.float32, seconds=0.05) < 1e15
