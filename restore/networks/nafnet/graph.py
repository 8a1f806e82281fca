"""NAFNet as an ONNX graph: the function of `restore.networks.nafnet.network`, without torch."""

from __future__ import annotations

from typing import Any

from restore.networks.graph import INPUT, GraphBuilder
from restore.networks.nafnet.config import NafnetConfig

LAYER_NORM_EPS = 1e-6


class NafnetGraph:
    """Adds a network to a graph. Maps are N x C x H x W; paths are names of parameters."""

    def __init__(self, config: NafnetConfig, graph: GraphBuilder):
        self.config, self.graph = config, graph

    def result(self) -> str:
        """Return the restored picture, N x 3 x H x W."""
        graph = self.graph
        x, skips = self._conv(INPUT, "intro", pads=[1] * 4), []
        for i, count in enumerate(self.config.enc_blk_nums):
            x = self._blocks(x, f"encoders.{i}", count)
            skips.append(x)
            x = self._conv(x, f"downs.{i}", strides=[2, 2])
        x = self._blocks(x, "middle_blks", self.config.middle_blk_num)
        for i, count in enumerate(self.config.dec_blk_nums):
            y = self._conv(x, f"ups.{i}.0", bias=False)
            y = graph.op("DepthToSpace", y, blocksize=2, mode="CRD")
            x = self._blocks(graph.op("Add", y, skips.pop()), f"decoders.{i}", count)
        return graph.op("Add", INPUT, self._conv(x, "ending", pads=[1] * 4))

    def _blocks(self, x: str, path: str, count: int) -> str:
        for i in range(count):
            x = self._block(x, f"{path}.{i}")
        return x

    def _block(self, x: str, path: str) -> str:
        graph = self.graph
        y = self._conv(self._norm(x, f"{path}.norm1"), f"{path}.conv1")
        channels = graph.weight(f"{path}.conv2.weight").shape[0]
        y = self._gate(self._conv(y, f"{path}.conv2", pads=[1] * 4, group=channels))
        mean = graph.op("ReduceMean", y, graph.integers(2, 3), keepdims=1)
        y = graph.op("Mul", y, self._conv(mean, f"{path}.sca.1"))
        x = self._plus(x, self._conv(y, f"{path}.conv3"), f"{path}.beta")
        y = self._gate(self._conv(self._norm(x, f"{path}.norm2"), f"{path}.conv4"))
        return self._plus(x, self._conv(y, f"{path}.conv5"), f"{path}.gamma")

    def _plus(self, x: str, y: str, scale: str) -> str:
        scaled = self.graph.op("Mul", y, self.graph.constant(self.graph.weight(scale)))
        return self.graph.op("Add", x, scaled)

    def _gate(self, x: str) -> str:
        first, second = self.graph.ops("Split", x, results=2, axis=1, num_outputs=2)
        return self.graph.op("Mul", first, second)

    def _norm(self, x: str, path: str) -> str:
        graph = self.graph
        weights = [graph.constant(graph.weight(f"{path}.{name}")) for name in ("weight", "bias")]
        y = graph.transpose(x, 0, 2, 3, 1)
        y = graph.op("LayerNormalization", y, *weights, axis=-1, epsilon=LAYER_NORM_EPS)
        return graph.transpose(y, 0, 3, 1, 2)

    def _conv(self, x: str, path: str, *, bias: bool = True, **attributes: Any) -> str:
        graph = self.graph
        names = ("weight", "bias") if bias else ("weight",)
        weights = [graph.constant(graph.weight(f"{path}.{name}")) for name in names]
        return graph.op("Conv", x, *weights, **attributes)
