"""Write a network as an ONNX graph, operator by operator, from its weights. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from restore.errors import CheckpointError

if TYPE_CHECKING:
    from onnx import GraphProto

    from restore.networks.architecture import NetworkConfig

OPSET = 21
"""The newest that every ONNX Runtime of the extra runs (1.20 and later). GELU is one operator since
20."""
INPUT, WINDOWS, OUTPUT = "picture", "windows", "restored"


class GraphBuilder:
    """An ONNX graph from ``picture`` to ``restored``, both N x 3 x H x W float32.

    ``windows``, an int64 array of 2, is the number of windows, down and across, that grid mixing is
    confined to. It may be left out, for 1 x 1.

    Values are named by strings. ``weights`` maps the names of parameters to float32 arrays;
    ``progress`` is called with the number of those that are read, and of all.
    """

    def __init__(
        self,
        weights: Mapping[str, np.ndarray],
        progress: Callable[[int, int], None] = lambda done, total: None,
    ):
        self._weights, self._progress = weights, progress
        self._nodes: list[Any] = []
        self._constants: dict[tuple[Any, ...], str] = {}
        self._initializers: list[Any] = []
        self._used: set[str] = set()

    @property
    def unused(self) -> set[str]:
        """Names of the parameters that the graph does not read."""
        return set(self._weights) - self._used

    def has(self, name: str) -> bool:
        """Whether there is a parameter of that name."""
        return name in self._weights

    def weight(self, name: str) -> np.ndarray:
        """Return a parameter. Raises `CheckpointError` where it is missing."""
        if name not in self._weights:
            raise CheckpointError(f"tensor {name} is missing")
        self._used.add(name)
        self._progress(len(self._used), len(self._weights))
        return self._weights[name]

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add an operator with one result, and return the name of that."""
        return self.ops(kind, *inputs, results=1, **attributes)[0]

    def ops(self, kind: str, *inputs: str, results: int, **attributes: Any) -> list[str]:
        """Add an operator with several results."""
        from onnx.helper import make_node

        number = len(self._nodes)
        names = [f"{kind}_{number}.{i}" for i in range(results)]
        self._nodes.append(make_node(kind, inputs, names, f"{kind}_{number}", **attributes))
        return names

    def constant(self, array: np.ndarray, name: str = "") -> str:
        """Add an array, and return its name: ``name``, if given, which must be the only one."""
        from onnx.numpy_helper import from_array

        name = name or f"constant_{len(self._initializers)}"
        self._initializers.append(from_array(np.ascontiguousarray(array), name))
        return name

    def integers(self, *values: int) -> str:
        """Return an int64 constant of one dimension; equal ones are one."""
        if values not in self._constants:
            self._constants[values] = self.constant(np.array(values, np.int64))
        return self._constants[values]

    def number(self, value: float) -> str:
        """Return a float32 scalar; equal ones are one."""
        key = ("float", value)
        if key not in self._constants:
            self._constants[key] = self.constant(np.float32(value).reshape(()))
        return self._constants[key]

    def shape(self, *sizes: int | str) -> str:
        """Return a shape of numbers and of int64 values of one element; equal ones are one."""
        if all(isinstance(size, int) for size in sizes):
            return self.integers(*(size for size in sizes if isinstance(size, int)))
        key = ("shape", *sizes)
        if key not in self._constants:
            parts = [self.integers(s) if isinstance(s, int) else s for s in sizes]
            self._constants[key] = self.op("Concat", *parts, axis=0)
        return self._constants[key]

    def derived(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add an operator as `op` does, once for equal inputs."""
        key = (kind, *inputs, *attributes.items())
        if key not in self._constants:
            self._constants[key] = self.op(kind, *inputs, **attributes)
        return self._constants[key]

    def size(self, axis: int) -> str:
        """Return the size of the picture along an axis, as int64 of one element."""
        return self.derived("Shape", INPUT, start=axis, end=axis + 1)

    def windows(self, axis: int) -> str:
        """Return the number of windows along 0, down, or 1, across, as int64 of one element."""
        return self.derived("Gather", WINDOWS, self.integers(axis), axis=0)

    def reshape(self, x: str, *sizes: int | str) -> str:
        """Give a value another shape; a size of 0 is the one at that place."""
        return self.op("Reshape", x, self.shape(*sizes))

    def transpose(self, x: str, *order: int) -> str:
        """Reorder dimensions."""
        return self.op("Transpose", x, perm=order)

    def proto(self, name: str, result: str, config: NetworkConfig) -> GraphProto:
        """Return the graph whose result is ``result``, for sizes that ``config`` allows."""
        from onnx import TensorProto, helper

        self._nodes.append(helper.make_node("Identity", [result], [OUTPUT], "result"))
        rows, columns = config.size_multiple
        picture, restored = (
            helper.make_tensor_value_info(
                each,
                TensorProto.FLOAT,
                ["pictures", channels, f"{rows}*rows", f"{columns}*columns"],
            )
            for each, channels in ((INPUT, 3), (OUTPUT, config.num_outputs))
        )
        inputs = [picture]
        if any(WINDOWS in node.input for node in self._nodes):
            # An input with an initialiser has a default.
            self.constant(np.ones(2, np.int64), WINDOWS)
            inputs.append(helper.make_tensor_value_info(WINDOWS, TensorProto.INT64, [2]))
        return helper.make_graph(self._nodes, name, inputs, [restored], self._initializers)
