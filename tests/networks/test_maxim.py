from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from restore.errors import SizeError
from restore.networks import initialise
from restore.networks.fast import optimise
from restore.networks.maxim import MaximConfig
from restore.networks.maxim.network import Maxim

TINY: dict[str, Any] = {
    "features": 4,
    "depth": 2,
    "num_stages": 1,
    "block_size_hr": 4,
    "block_size_lr": 4,
    "grid_size_hr": 4,
}


Form = Callable[[nn.Module], nn.Module]
FORMS = pytest.mark.parametrize("form", [lambda model: model, optimise], ids=["plain", "fast"])


def build(quiet_branches: bool = False, **changes: Any) -> Maxim:
    config = MaximConfig(**(TINY | changes))
    return initialise(Maxim(config), torch.Generator().manual_seed(5), quiet_branches).eval()


def picture(height: int, width: int, seed: int = 7) -> torch.Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=12, deadline=None)
@given(
    depth=st.integers(1, 3),
    stages=st.integers(1, 3),
    groups=st.integers(1, 2),
    scales=st.integers(1, 3),
    cross_gating=st.booleans(),
    global_mlp=st.booleans(),
    bias=st.booleans(),
    stem=st.sampled_from([1, 2]),
)
def test_every_configuration_runs(
    depth: int,
    stages: int,
    groups: int,
    scales: int,
    cross_gating: bool,
    global_mlp: bool,
    bias: bool,
    stem: int,
) -> None:
    model = build(
        depth=depth,
        num_stages=stages,
        num_groups=groups,
        num_supervision_scales=min(scales, depth),
        use_cross_gating=cross_gating,
        use_global_mlp=global_mlp,
        use_bias=bias,
        stem_factor=stem,
        block_size_hr=(2, 4),
        grid_size_hr=2,
        block_size_lr=2,
    )
    height, width = model.config.size_multiple
    x = picture(height, 2 * width)
    with torch.no_grad():
        outputs = model.outputs(x)
        restored = model(x)
        fast = optimise(model)(x)
    assert len(outputs) == stages
    for stage in outputs:
        sizes = [tuple(image.shape[2:]) for image in stage]
        expected = [(height >> k, 2 * width >> k) for k in range(min(scales, depth))]
        assert sizes == expected[::-1]
    assert restored.shape == x.shape
    assert torch.isfinite(restored).all()
    assert torch.equal(restored, outputs[-1][-1])
    # Norms over as few as four channels amplify rounding.
    assert (fast - restored).abs().max() <= 1e-4 * max(1, float(restored.abs().max()))
    for count in range(1, stages):
        with torch.no_grad():
            shortened = model.first_stages(count)(x)
        assert torch.equal(shortened, outputs[count - 1][-1])


@FORMS
@pytest.mark.parametrize(("height", "width"), [(15, 16), (16, 17), (8, 16), (0, 16)])
def test_a_size_that_does_not_fit_says_which_multiple_is_needed(
    height: int, width: int, form: Form
) -> None:
    model = build()
    assert model.config.size_multiple == (16, 16)
    with pytest.raises(SizeError, match="16"):
        form(model)(torch.zeros(1, 3, height, width))


@FORMS
def test_other_channel_counts_are_refused(form: Form) -> None:
    with pytest.raises(SizeError, match="N x 3"):
        form(build())(torch.zeros(1, 4, 16, 16))


@pytest.mark.parametrize("count", [0, 3])
def test_rejects_stages_outside_the_network(count: int) -> None:
    with pytest.raises(ValueError, match="from 1 to 2"):
        build(num_stages=2).first_stages(count)


def test_a_shortened_network_is_a_network_of_fewer_stages_on_the_same_weights() -> None:
    model = build(num_stages=2, num_supervision_scales=2).requires_grad_(False)
    short = model.first_stages(1)
    assert short.config == MaximConfig(**(TINY | {"num_supervision_scales": 2}))
    assert model.first_stages(2) is model
    assert not any(p.requires_grad for p in (*short.parameters(), *model.parameters()))
    model.stages[0].encoders[0].conv.weight.zero_()
    assert not short.stages[0].encoders[0].conv.weight.any()


def test_forward_computes_no_unused_output() -> None:
    model = build(num_supervision_scales=2, num_stages=2)
    used: set[str] = set()
    for name, module in model.named_modules():
        module.register_forward_hook(lambda *_, name=name: used.add(name))
    model(picture(16, 16))
    leaves = {
        name for name, module in model.named_modules() if list(module.parameters(recurse=False))
    }
    # Only the coarser outputs of the last stage are not needed.
    assert leaves - used == {"stages.1.output_convs.1"}


def test_quiet_branches_begin_at_the_identity() -> None:
    model = build(quiet_branches=True, num_groups=2, stem_factor=2)
    x = picture(32, 64)
    with torch.no_grad():
        assert torch.equal(model(x), x)
        assert torch.equal(optimise(model)(x), x)
    assert any(p.abs().sum() > 0 for p in model.parameters())


@FORMS
def test_batches_do_not_mix(form: Form) -> None:
    model = form(build())
    one, two = picture(16, 32, 1), picture(16, 32, 2)
    with torch.no_grad():
        both = model(torch.cat((one, two)))
        torch.testing.assert_close(both[:1], model(one))
        torch.testing.assert_close(both[1:], model(two))


@FORMS
def test_the_memory_layout_of_the_input_does_not_matter(form: Form) -> None:
    model, x = form(build()), picture(16, 32)
    with torch.no_grad():
        channels_last = model(x.contiguous(memory_format=torch.channels_last))
        torch.testing.assert_close(channels_last, model(x))


@FORMS
def test_bfloat16_keeps_the_picture_in_the_callers_precision(form: Form) -> None:
    """With quiet branches the result is the input; a round trip through bfloat16 would show."""
    model = form(build(quiet_branches=True).to(torch.bfloat16))
    x = picture(16, 16)
    with torch.no_grad():
        assert torch.equal(model(x), x)


def test_gradients_reach_every_parameter() -> None:
    model = build(num_stages=2, num_supervision_scales=2).train()
    sum(
        image.square().sum() for stage in model.outputs(picture(16, 32)) for image in stage
    ).backward()
    without = [name for name, p in model.named_parameters() if p.grad is None]
    assert without == []


@pytest.mark.slow
def test_exports_with_dynamic_height_and_width() -> None:
    # One module of every kind: each further one would cost a second.
    model = build(
        num_supervision_scales=2,
        use_global_mlp=False,
        block_size_hr=2,
        block_size_lr=2,
        grid_size_hr=2,
    )
    rows, columns = (torch.export.Dim(name, min=2, max=64) for name in ("rows", "columns"))
    exported = torch.export.export(
        model,
        (picture(24, 32),),
        dynamic_shapes={"x": {2: 8 * rows, 3: 8 * columns}},
    ).module()
    with torch.no_grad():
        for height, width in ((24, 32), (16, 48)):
            x = picture(height, width)
            torch.testing.assert_close(exported(x), model(x))
