"""Graphs that networks write compute what the networks compute in torch, windows included."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from models import TINY

from restore.errors import CheckpointError
from restore.networks import ARCHITECTURES, NetworkConfig, Pair, architecture_of, build, initialise
from restore.networks.base import RestorationNetwork
from restore.networks.fast import WholeMaps, knows_windows, optimise
from restore.networks.graph import INPUT, OPSET, WINDOWS, GraphBuilder
from restore.networks.nafnet import NafnetConfig

CONFIGS: dict[str, NetworkConfig] = {
    "maxim": TINY,
    "maxim of two stages": replace(
        TINY, num_stages=2, num_supervision_scales=2, num_groups=2, num_bottleneck_blocks=2
    ),
    "maxim without bias and gating": replace(
        TINY, use_bias=False, use_cross_gating=False, num_stages=2
    ),
    "maxim without a stem": replace(
        TINY,
        use_global_mlp=False,
        stem_factor=1,
        depth=3,
        block_size_hr=(4, 8),
        grid_size_hr=(8, 4),
    ),
    "maxim with high_res_stages 1": replace(
        TINY, depth=3, high_res_stages=1, block_size_lr=(2, 4), num_outputs=6
    ),
    "nafnet": NafnetConfig(4, (1, 2), 1, (2, 1)),
}


def network(config: NetworkConfig) -> RestorationNetwork:
    generator = torch.Generator().manual_seed(0)
    made = initialise(build(config), generator, quiet_branches=False)
    return made.eval().requires_grad_(False)


def builder(of: RestorationNetwork) -> GraphBuilder:
    return GraphBuilder({name: tensor.numpy() for name, tensor in of.state_dict().items()})


def written(graph: GraphBuilder, config: NetworkConfig) -> onnx.ModelProto:
    result = architecture_of(config).add_to_graph(config, graph)
    proto = graph.proto("graph", result, config)
    opset = onnx.helper.make_opsetid("", OPSET)
    return onnx.helper.make_model(proto, opset_imports=[opset], ir_version=10)


def session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    data = model.SerializeToString()
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def test_every_architecture_is_tested() -> None:
    assert {architecture_of(config).name for config in CONFIGS.values()} == set(ARCHITECTURES)


@pytest.mark.parametrize("name", CONFIGS)
def test_graphs_compute_what_networks_do(name: str) -> None:
    config = CONFIGS[name]
    plain = network(config)
    graph = builder(plain)
    model = written(graph, config)
    run, fast = session(model).run, optimise(plain)
    rows, columns = config.size_multiple
    cases: list[tuple[tuple[int, int, int], Pair]] = [((1, 1, 1), (1, 1)), ((2, 3, 4), (1, 1))]
    if knows_windows(fast):
        cases += [((1, 6, 4), (3, 2)), ((2, 2, 5), (2, 5))]
    for (count, down, across), windows in cases:
        shape = (count, 3, down * rows, across * columns)
        picture = np.random.default_rng(down).random(shape, np.float32)
        given = {INPUT: picture}
        if windows != (1, 1):
            given[WINDOWS] = np.array(windows, np.int64)
        x = torch.from_numpy(picture)
        expected = (fast(x, WholeMaps(windows)) if knows_windows(fast) else fast(x)).numpy()
        (found,) = run(None, given)
        scale = np.abs(expected).max()
        assert scale > 1.5  # far from the picture
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * scale)


def test_only_coarse_outputs_are_unused() -> None:
    config = CONFIGS["maxim of two stages"]
    graph = builder(network(config))
    written(graph, config)
    assert graph.unused == {f"stages.1.output_convs.1.{leaf}" for leaf in ("weight", "bias")}


def test_a_missing_parameter_is_named() -> None:
    config = CONFIGS["nafnet"]
    state = {name: tensor.numpy() for name, tensor in network(config).state_dict().items()}
    del state["middle_blks.0.conv3.weight"]
    with pytest.raises(CheckpointError, match=r"\Atensor middle_blks.0.conv3.weight is missing\Z"):
        written(GraphBuilder(state), config)


def test_the_result_of_a_network_has_as_many_channels_as_its_configuration_says() -> None:
    config = CONFIGS["maxim with high_res_stages 1"]
    model = onnx.shape_inference.infer_shapes(written(builder(network(config)), config))
    assert model.graph.output[0].type.tensor_type.shape.dim[1].dim_value == config.num_outputs
