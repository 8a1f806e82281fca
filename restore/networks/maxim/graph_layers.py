"""The layers of MAXIM in an ONNX graph, with the parameters of `restore.networks.maxim.layers`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from restore.networks.architecture import Pair
from restore.networks.graph import GraphBuilder
from restore.networks.maxim.config import MaximConfig

LAYER_NORM_EPS = 1e-6


@dataclass(frozen=True)
class Map:
    """A feature map, N x H x W x C.

    ``value``: its name in the graph.
    ``level``: H and W are those of the picture, divided by ``stem_factor * 2**level``.
    ``channels``: C.
    """

    value: str
    level: int
    channels: int


class MaximLayers:
    """Adds layers to a graph; ``path`` is the name of a layer's parameters."""

    def __init__(self, graph: GraphBuilder, config: MaximConfig):
        self.graph = graph
        self.stem = config.stem_factor
        self.slope = config.lrelu_slope
        self.has_bias = config.use_bias

    def size(self, level: int, axis: int) -> str:
        """Return the height (0) or width (1) of a level."""
        divisor = self.graph.integers(self.stem * 2**level)
        return self.graph.derived("Div", self.graph.size(2 + axis), divisor)

    def cells(self, level: int, axis: int, cell: int, windows: bool = False) -> str:
        """Return how often ``cell`` pixels of a level go into its height or width, or into those of
        one window."""
        graph, count = self.graph, self.graph.integers(cell)
        if windows:
            count = graph.derived("Mul", graph.windows(axis), count)
        return graph.derived("Div", self.size(level, axis), count)

    def add(self, x: Map, *others: Map) -> Map:
        for other in others:
            x = replace(x, value=self.graph.op("Add", x.value, other.value))
        return x

    def times(self, x: Map, y: Map) -> Map:
        """Multiply two maps, or a map and one value a channel."""
        return replace(x, value=self.graph.op("Mul", x.value, y.value))

    def gelu(self, x: Map) -> Map:
        return replace(x, value=self.graph.op("Gelu", x.value, approximate="tanh"))

    def sigmoid(self, x: Map) -> Map:
        return replace(x, value=self.graph.op("Sigmoid", x.value))

    def norm(self, x: Map, path: str) -> Map:
        weights = (
            self.graph.constant(self.graph.weight(f"{path}.{n}")) for n in ("weight", "bias")
        )
        attributes = {"axis": -1, "epsilon": LAYER_NORM_EPS}
        return replace(
            x, value=self.graph.op("LayerNormalization", x.value, *weights, **attributes)
        )

    def dense(self, x: Map | Sequence[Map], path: str) -> Map:
        """Apply a matrix to the channels of the concatenation of maps, which is not made."""
        return self._affine(x, self.graph.weight(f"{path}.weight"), path)

    def halves(self, x: Map, path: str) -> tuple[Map, Map]:
        """Return the halves of a dense layer's channels, after GELU."""
        weight = np.split(self.graph.weight(f"{path}.weight"), 2)
        first, second = (self._affine(x, w, path, i) for i, w in enumerate(weight))
        return self.gelu(first), self.gelu(second)

    def _affine(
        self, x: Map | Sequence[Map], weight: np.ndarray, path: str, half: int | None = None
    ) -> Map:
        graph, maps = self.graph, [x] if isinstance(x, Map) else x
        total, start = "", 0
        for part in maps:
            columns = weight[:, start : start + part.channels]
            start += part.channels
            product = graph.op("MatMul", part.value, graph.constant(columns.T))
            total = graph.op("Add", total, product) if total else product
        if self.has_bias:
            bias = graph.weight(f"{path}.bias")
            bias = bias if half is None else np.split(bias, 2)[half]
            total = graph.op("Add", total, graph.constant(bias))
        return Map(total, maps[0].level, len(weight))

    def conv(self, x: Map, path: str, shrink: bool = False) -> Map:
        """Apply a 3x3 convolution, or the 4x4 stride-2 one that shrinks."""
        graph, weight = self.graph, self.graph.weight(f"{path}.weight")
        inputs = [graph.constant(weight)]
        if self.has_bias:
            inputs.append(graph.constant(graph.weight(f"{path}.bias")))
        first = graph.transpose(x.value, 0, 3, 1, 2)
        strides = [1 + shrink] * 2
        y = graph.op("Conv", first, *inputs, pads=[1] * 4, strides=strides)
        return Map(graph.transpose(y, 0, 2, 3, 1), x.level + shrink, len(weight))

    def leaky_relu(self, x: Map) -> Map:
        return replace(x, value=self.graph.op("LeakyRelu", x.value, alpha=self.slope))

    def grow(self, x: Map, path: str) -> Map:
        """Double height and width: a dense layer, whose outputs are spread to 2 x 2 pixels."""
        graph, weight = self.graph, self.graph.weight(f"{path}.weight")  # in x out x 2 x 2
        channels, level = weight.shape[1], x.level - 1
        matrix = weight.transpose(0, 2, 3, 1).reshape(len(weight), -1)
        y = graph.op("MatMul", x.value, graph.constant(matrix))
        y = graph.transpose(graph.reshape(y, 0, 0, 0, 2, 2, channels), 0, 1, 3, 2, 4, 5)
        y = graph.reshape(y, 0, self.size(level, 0), self.size(level, 1), channels)
        if self.has_bias:
            y = graph.op("Add", y, graph.constant(graph.weight(f"{path}.bias")))
        return Map(y, level, channels)

    def resample(self, x: Map, path: str, level: int) -> Map:
        """Resize to another level, and set the width on the side with fewer pixels."""
        if x.level > level:
            return self._enlarged(self.dense(x, path), level)
        return self.dense(self._shrunk(x, level), path)

    def _enlarged(self, x: Map, level: int) -> Map:
        """Resize bilinearly, with half-pixel centres."""
        ratio = 2.0 ** (x.level - level)
        scales = self.graph.constant(np.array([1, 1, ratio, ratio], np.float32))
        first = self.graph.transpose(x.value, 0, 3, 1, 2)
        y = self.graph.op("Resize", first, "", scales, mode="linear")
        return Map(self.graph.transpose(y, 0, 2, 3, 1), level, x.channels)

    def _shrunk(self, x: Map, level: int) -> Map:
        """Shrink with the triangle filter; see `restore.networks.maxim.layers`."""
        if x.level == level:
            return x
        graph, ratio = self.graph, 2 ** (level - x.level)
        taps = 1 - np.abs(np.arange(2 * ratio) + 0.5 - ratio) / ratio
        taps /= taps.sum()
        kernel = np.broadcast_to(np.outer(taps, taps), (x.channels, 1, 2 * ratio, 2 * ratio))
        y = graph.op(
            "Conv",
            graph.transpose(x.value, 0, 3, 1, 2),
            graph.constant(kernel.astype(np.float32)),
            strides=[ratio] * 2,
            pads=[ratio // 2] * 4,
            group=x.channels,
        )
        inside = float(taps[ratio // 2 :].sum())
        rows, columns = (self._border(level, axis, inside) for axis in (0, 1))
        factors = graph.derived("Mul", graph.derived("Unsqueeze", rows, graph.integers(1)), columns)
        return Map(graph.transpose(graph.op("Mul", y, factors), 0, 2, 3, 1), level, x.channels)

    def _border(self, level: int, axis: int, inside: float) -> str:
        """Return ones, with the first and the last divided by ``inside``."""
        graph = self.graph
        count = graph.derived("Squeeze", self.size(level, axis))
        zero, one = (graph.derived("Squeeze", graph.integers(i)) for i in (0, 1))
        places = graph.derived("Range", zero, count, one)
        factors = [
            graph.derived(
                "Where",
                graph.derived("Equal", places, end),
                graph.number(1 / inside),
                graph.number(1.0),
            )
            for end in (zero, graph.derived("Sub", count, one))
        ]
        return graph.derived("Mul", *factors)

    def channel_attention(self, x: Map, path: str) -> Map:
        """Return the gates, from the mean of every window, interpolated between their centres.

        One window has gates N x 1 x 1 x C, which a product broadcasts.
        """
        y = self.dense(self._window_means(x), f"{path}.squeeze")
        y = replace(y, value=self.graph.op("Relu", y.value))
        gates = self.sigmoid(self.dense(y, f"{path}.excite"))
        first = self.graph.transpose(gates.value, 0, 3, 1, 2)
        sizes = [self.graph.size(0), self.graph.integers(x.channels)]
        sizes += [self._size_of_gates(x.level, axis) for axis in (0, 1)]
        resized = self.graph.op("Resize", first, "", "", self.graph.shape(*sizes), mode="linear")
        return replace(x, value=self.graph.transpose(resized, 0, 2, 3, 1))

    def _window_means(self, x: Map) -> Map:
        """Return N x down x across x C. Means over one dimension at a time are faster."""
        graph, (down, across) = self.graph, (self.graph.windows(axis) for axis in (0, 1))
        y = graph.reshape(x.value, 0, -1, self.cells(x.level, 1, 1, windows=True), x.channels)
        y = graph.op("ReduceMean", y, graph.integers(2), keepdims=0)
        y = graph.reshape(y, 0, down, self.cells(x.level, 0, 1, windows=True), across, x.channels)
        return replace(x, value=graph.op("ReduceMean", y, graph.integers(2), keepdims=0))

    def _size_of_gates(self, level: int, axis: int) -> str:
        graph = self.graph
        count = graph.derived("Mul", graph.windows(0), graph.windows(1))
        is_one = graph.derived("Equal", count, graph.integers(1))
        return graph.derived("Where", is_one, graph.integers(1), self.size(level, axis))

    def block_mix(self, x: Map, size: Pair, path: str) -> Map:
        """Mix the pixels of every block of ``size``."""
        (h, w), level = size, x.level
        down, across = self.cells(level, 0, h), self.cells(level, 1, w)
        split = self.graph.reshape(x.value, 0, down, h, across, w, x.channels)
        tokens = self.graph.transpose(split, 2, 4, 0, 1, 3, 5)
        sizes = (h, w, self.graph.size(0), down, across, x.channels)
        mixed = self._mixed(tokens, h * w, sizes, path)
        return self._joined(self.graph.transpose(mixed, 2, 3, 0, 4, 1, 5), x)

    def grid_mix(self, x: Map, size: Pair, path: str) -> Map:
        """Mix the pixels at one offset in all ``size`` cells of a window."""
        (h, w), level, graph = size, x.level, self.graph
        down, across = (self.cells(level, axis, n, windows=True) for axis, n in enumerate(size))
        windows = graph.windows(0), graph.windows(1)
        split = graph.reshape(x.value, 0, windows[0], h, down, windows[1], w, across, x.channels)
        tokens = graph.transpose(split, 2, 5, 0, 1, 3, 4, 6, 7)
        sizes = (h, w, graph.size(0), windows[0], down, windows[1], across, x.channels)
        mixed = self._mixed(tokens, h * w, sizes, path)
        return self._joined(graph.transpose(mixed, 2, 3, 0, 4, 5, 1, 6, 7), x)

    def _mixed(self, tokens: str, count: int, sizes: Sequence[int | str], path: str) -> str:
        graph = self.graph
        flat = graph.reshape(tokens, count, -1)
        mixed = graph.op("MatMul", graph.constant(graph.weight(f"{path}.weight")), flat)
        if self.has_bias:
            bias = graph.weight(f"{path}.bias")[:, None]
            mixed = graph.op("Add", mixed, graph.constant(bias))
        return graph.reshape(mixed, *sizes)

    def _joined(self, mixed: str, x: Map) -> Map:
        height, width = self.size(x.level, 0), self.size(x.level, 1)
        return replace(x, value=self.graph.reshape(mixed, 0, height, width, x.channels))
