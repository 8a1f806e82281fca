"""MAXIM as an ONNX graph: the function of `restore.networks.maxim.network`, without torch.

Concatenations are not made: the layers that read them add up the products of their parts. Windows
confine grid mixing as in `restore.networks.fast`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from restore.networks.graph import INPUT, GraphBuilder
from restore.networks.maxim.config import MaximConfig
from restore.networks.maxim.graph_layers import Map, MaximLayers


@dataclass(frozen=True)
class StageMaps:
    """The maps of a stage that later ones read, by level, and its finest image."""

    sums: list[Map]
    attended: list[Map]
    restored: Map


class MaximGraph:
    """Adds a network to a graph. Paths are names of parameters."""

    def __init__(self, config: MaximConfig, graph: GraphBuilder):
        self.config, self.graph = config, graph
        self.layers = MaximLayers(graph, config)

    def result(self) -> str:
        """Return the restored picture, N x 3 x H x W."""
        images = [self._pixels(scale) for scale in range(self.config.num_supervision_scales)]
        done: StageMaps | None = None
        for index in range(self.config.num_stages):
            done = self._stage(index, images, done)
        assert done is not None
        return self._picture(done.restored)

    def _pixels(self, scale: int) -> Map:
        """Return the picture, shrunk by ``2**scale`` to its nearest pixels, as a map whose channels
        are ``stem_factor`` pixels down and across."""
        graph, stem, x = self.graph, self.config.stem_factor, INPUT
        if scale:
            ratio, axes = 2**scale, graph.integers(2, 3)
            first, end = graph.integers(*[ratio // 2] * 2), graph.integers(*[2**62] * 2)
            x = graph.op("Slice", x, first, end, axes, graph.integers(ratio, ratio))
        if stem == 1:
            return Map(graph.transpose(x, 0, 2, 3, 1), scale, 3)
        height, width = self.layers.size(scale, 0), self.layers.size(scale, 1)
        x = graph.transpose(graph.reshape(x, 0, 3, height, stem, width, stem), 0, 2, 4, 1, 3, 5)
        return Map(graph.reshape(x, 0, 0, 0, 3 * stem**2), scale, 3 * stem**2)

    def _picture(self, x: Map) -> str:
        graph, stem = self.graph, self.config.stem_factor
        if stem == 1:
            return graph.transpose(x.value, 0, 3, 1, 2)
        y = graph.reshape(x.value, 0, 0, 0, x.channels // stem**2, stem, stem)
        y = graph.transpose(y, 0, 3, 1, 4, 2, 5)
        return graph.reshape(y, 0, x.channels // stem**2, graph.size(2), graph.size(3))

    def _stage(self, index: int, images: list[Map], previous: StageMaps | None) -> StageMaps:
        path, config, layers = f"stages.{index}", self.config, self.layers
        inputs = [layers.conv(x, f"{path}.input_convs.{i}") for i, x in enumerate(images)]
        if previous is not None:
            inputs = [
                self._fused(x, previous.attended[i], f"{path}.input_fusions.{i}")
                for i, x in enumerate(inputs)
            ]
        below, encoded = inputs[0], []
        for i in range(config.depth):
            before = None if previous is None else previous.sums[i]
            parts = [below, *inputs[i : i + 1]]
            features = self._encoder(parts, before, f"{path}.encoders.{i}")
            below = layers.conv(features, f"{path}.encoders.{i}.down", shrink=True)
            encoded.append(features)
        for i in range(config.num_bottleneck_blocks):
            below = self._block([below], f"{path}.bottleneck.{i}", dense_attention=True)
        skips = self._skips(encoded, below, path)
        decoded: list[Map] = []
        for i in reversed(range(config.depth)):
            bridge = self._gathered(skips, i, f"{path}.skip_gathers.{i}")
            grown = layers.grow(below, f"{path}.decoders.{i}.grow")
            below = self._block([grown, *bridge], f"{path}.decoders.{i}.block")
            decoded.insert(0, below)
        if index == config.num_stages - 1:
            return StageMaps([], [], self._restored(decoded[0], images[0], path))
        sums = [layers.add(*pair) for pair in zip(encoded, decoded, strict=True)]
        return self._supervised(sums, decoded, images, path)

    def _restored(self, x: Map, image: Map, path: str) -> Map:
        name = f"{path}.output_convs.0"
        if not self.graph.has(f"{name}.weight"):  # stopped before its last stage
            name = f"{path}.attentions.0.conv_image"
        return self._with_image(self.layers.conv(x, name), image)

    def _with_image(self, x: Map, image: Map) -> Map:
        return self.layers.add(x, image) if self.config.num_outputs == 3 else x

    def _supervised(
        self, sums: list[Map], decoded: list[Map], images: list[Map], path: str
    ) -> StageMaps:
        """Return features that attend to an image at every scale."""
        layers, attended, restored = self.layers, [], []
        for i, (x, image) in enumerate(zip(decoded, images, strict=False)):
            name = f"{path}.attentions.{i}"
            restored.append(self._with_image(layers.conv(x, f"{name}.conv_image"), image))
            gate = layers.sigmoid(layers.conv(restored[i], f"{name}.conv_gate"))
            features = layers.conv(x, f"{name}.conv_features")
            attended.append(layers.add(x, layers.times(features, gate)))
        return StageMaps(sums, attended, restored[0])

    def _encoder(self, parts: Sequence[Map], previous: Map | None, path: str) -> Map:
        x = self._block(parts, path)
        if previous is None:
            return x
        return self._cross_gated([x], previous, f"{path}.fuse")[0]

    def _block(self, parts: Sequence[Map], path: str, dense_attention: bool = False) -> Map:
        """Add a dense layer, and groups of mixing and channel attention around a shortcut."""
        x = shortcut = self.layers.dense(parts, f"{path}.conv")
        for i in range(self.config.num_groups):
            name = f"{path}.groups.{i}"
            if self.config.use_global_mlp or dense_attention:
                x = self._multi_axis(x, f"{name}.multi_axis")
            x = self._attention(x, f"{name}.attention", dense_attention)
        return self.layers.add(x, shortcut)

    def _multi_axis(self, x: Map, path: str) -> Map:
        layers = self.layers
        u, v = layers.halves(layers.norm(x, f"{path}.norm"), f"{path}.in_project")
        u = self._axis_gmlp(u, f"{path}.grid_gmlp", is_grid=True)
        v = self._axis_gmlp(v, f"{path}.block_gmlp", is_grid=False)
        return layers.add(x, layers.dense([u, v], f"{path}.out_project"))

    def _axis_gmlp(self, x: Map, path: str, is_grid: bool) -> Map:
        layers = self.layers
        u, v = layers.halves(layers.norm(x, f"{path}.norm"), f"{path}.in_project")
        v = self._mix(layers.norm(v, f"{path}.gate.norm"), f"{path}.gate.mix", is_grid)
        gated = layers.add(u, layers.times(u, v))
        return layers.add(x, layers.dense(gated, f"{path}.out_project"))

    def _mix(self, x: Map, path: str, is_grid: bool) -> Map:
        if is_grid:
            return self.layers.grid_mix(x, self.config.grid_size(x.level), path)
        return self.layers.block_mix(x, self.config.block_size(x.level), path)

    def _attention(self, x: Map, path: str, dense: bool) -> Map:
        layers, y = self.layers, self.layers.norm(x, f"{path}.norm")
        if dense:
            y = layers.dense(layers.gelu(layers.dense(y, f"{path}.dense1")), f"{path}.dense2")
        else:
            y = layers.conv(layers.leaky_relu(layers.conv(y, f"{path}.conv1")), f"{path}.conv2")
        gates = layers.channel_attention(y, f"{path}.attention")
        return layers.add(x, layers.times(y, gates))

    def _cross_gated(self, x: Sequence[Map], y: Map, path: str) -> tuple[Map, Map]:
        """Let two maps gate each other; ``y`` may come from the level below."""
        layers = self.layers
        if y.level > x[0].level:
            y = layers.grow(y, f"{path}.grow")
        shortcuts = layers.dense(x, f"{path}.conv_x"), layers.dense(y, f"{path}.conv_y")
        projected, gates = [], []
        for name, shortcut in zip("xy", shortcuts, strict=True):
            normed = layers.norm(shortcut, f"{path}.norm_{name}")
            one = layers.gelu(layers.dense(normed, f"{path}.in_project_{name}"))
            projected.append(one)
            gates.append(self._gating(one, f"{path}.gating_{name}"))
        gated_y = layers.dense(layers.times(projected[1], gates[0]), f"{path}.out_project_y")
        gated_y = layers.add(gated_y, shortcuts[1])
        gated_x = layers.dense(layers.times(projected[0], gates[1]), f"{path}.out_project_x")
        return layers.add(gated_x, gated_y, shortcuts[0]), gated_y

    def _gating(self, x: Map, path: str) -> Map:
        layers = self.layers
        u, v = layers.halves(layers.norm(x, f"{path}.norm"), f"{path}.in_project")
        u = self._mix(u, f"{path}.grid_mix", is_grid=True)
        v = self._mix(v, f"{path}.block_mix", is_grid=False)
        return layers.dense([u, v], f"{path}.out_project")

    def _skips(self, encoded: list[Map], gating: Map, path: str) -> list[Map]:
        """Return the gated bridges, deepest level first."""
        skips: list[Map] = []
        for i in reversed(range(self.config.depth)):
            signal = self._gathered(encoded, i, f"{path}.bridge_gathers.{i}")
            name = f"{path}.skip_fusions.{i}"
            if self.config.use_cross_gating:
                skip, gating = self._cross_gated(signal, gating, name)
            else:
                fused = self.layers.dense(signal, f"{name}.conv1x1")
                skip = self.layers.conv(fused, f"{name}.conv3x3")
            skips.append(skip)
        return skips

    def _gathered(self, maps: Sequence[Map], level: int, path: str) -> list[Map]:
        """Return maps of several levels, brought to one level."""
        resample = self.layers.resample
        return [resample(x, f"{path}.resamples.{i}.conv", level) for i, x in enumerate(maps)]

    def _fused(self, x: Map, attended: Map, path: str) -> Map:
        if self.config.use_cross_gating:
            return self._cross_gated([x], attended, path)[0]
        return self.layers.dense([x, attended], path)
