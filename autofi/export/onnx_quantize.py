"""An ONNX model with smaller numbers: tables and weights take fewer bytes and become float32 where they are read.

- float16: the rounded value, half the bytes
- int8: round(value / scale) · scale with scale = max / 127, a quarter of the bytes, and a float32 scale per
  row of a table, or per output of a weight

Rows of a table are gathered first and widened afterwards, so that reading needs little memory too.
Activations stay float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray
from onnx_ir.passes.common import NameFixPass

from autofi.bundle.files import Quantization

#: Smaller arrays are not worth the additional nodes.
LEAST_NUMBERS = 1024
_STEPS = 127
_ONNX = ("", "ai.onnx")


@dataclass(frozen=True, eq=False)
class Stored:
    """The stored numbers of a float32 array: float16, or int8 with float32 scales to multiply by, of as many axes."""

    numbers: NDArray[Any]
    scales: NDArray[np.float32] | None = None

    @property
    def bytes(self) -> int:
        return self.numbers.nbytes + (0 if self.scales is None else self.scales.nbytes)

    @property
    def by_row(self) -> bool:
        """True where a row can be widened without the others."""
        return self.scales is None or len(self.scales) == len(self.numbers)


def quantized(model: onnx.ModelProto, kind: Quantization) -> onnx.ModelProto:
    """Return a model whose matrices of LEAST_NUMBERS numbers or more are stored smaller; `model` stays unchanged.

    Vectors stay float32 (biases and counts are among them), and so do numbers outside the range of float16.
    With int8, an array becomes float16 where int8 with its scales would be larger, such as a table of four
    columns or fewer, and where it is neither a table nor a weight.
    """
    changed = ir.from_proto(model)
    graph = changed.graph
    for value in list(graph.initializers.values()):
        stored = _stored(value, kind)
        if stored is not None:
            _Widening(graph, value, stored).apply()
    NameFixPass()(changed)
    return ir.to_proto(changed)


def float16(values: NDArray[np.float32]) -> Stored | None:
    """Return values rounded to float16; None where a number is outside its range."""
    with np.errstate(over="ignore"):
        half = values.astype(np.float16)
    return Stored(half) if np.isfinite(half).all() else None


def int8(values: NDArray[np.float32], shared: tuple[int, ...]) -> Stored:
    """Return finite values rounded to 255 steps around 0; numbers along the axes `shared` have one step size."""
    scales = np.abs(values).max(axis=shared, keepdims=True) / np.float32(_STEPS)
    # Where all values are 0, the scale is 0 too, and the product is exact.
    steps = np.divide(values, scales, out=np.zeros_like(values), where=scales > 0)
    return Stored(np.clip(np.rint(steps), -_STEPS, _STEPS).astype(np.int8), scales)


def _stored(value: ir.Value, kind: Quantization) -> Stored | None:
    """Return the stored form of an initializer; None where it stays unchanged."""
    tensor = value.const_value
    if tensor is None or tensor.dtype != ir.DataType.FLOAT or len(tensor.shape) < 2:
        return None
    # The initializer of an input is a default that callers may replace.
    if tensor.size < LEAST_NUMBERS or value.is_graph_input() or value.is_graph_output() or not value.uses():
        return None
    values = tensor.numpy()
    if not np.isfinite(values).all():
        return None
    shared = _shared(value) if kind == "int8" else None
    candidates = [float16(values), None if shared is None else int8(values, shared)]
    found = [stored for stored in candidates if stored is not None and stored.bytes < values.nbytes]
    return min(found, key=lambda stored: stored.bytes, default=None)


def _shared(value: ir.Value) -> tuple[int, ...] | None:
    """Return the axes along which the numbers of a table or a weight share a scale; None for any other array."""
    assert value.const_value is not None
    axes = len(value.const_value.shape)
    if any(_reads_rows(node, place, axes) for node, place in value.uses()):
        return tuple(range(1, axes))
    summed = (_summed(node, place) for node, place in value.uses())
    return next(((axis % axes,) for axis in summed if axis is not None), None)


def _reads_rows(node: ir.Node, place: int, axes: int) -> bool:
    found = node.domain in _ONNX and node.op_type == "Gather" and place == 0
    return found and _integer(node, "axis") % axes == 0


def _summed(node: ir.Node, place: int) -> int | None:
    """Return the axis of a weight that a product sums over."""
    if node.domain not in _ONNX or place > 1:
        return None
    if node.op_type == "MatMul":
        return -2 if place else -1
    if node.op_type == "Gemm":
        return _integer(node, "transB") if place else 1 - _integer(node, "transA")
    return None


def _integer(node: ir.Node, name: str) -> int:
    """Return an integer attribute whose default is 0."""
    found = node.attributes.get(name)
    return 0 if found is None else found.as_int()


class _Widening:
    """The replacement of one initializer by its stored numbers."""

    def __init__(self, graph: ir.Graph, value: ir.Value, stored: Stored) -> None:
        self.graph, self.value, self.stored = graph, value, stored
        self.numbers = self._initializer(stored.numbers, stored.numbers.dtype.name)
        self.scales = None if stored.scales is None else self._initializer(stored.scales, "scales")

    def apply(self) -> None:
        assert self.value.name is not None
        axes = self.stored.numbers.ndim
        if self.stored.by_row:
            for node, place in self.value.uses():
                if _reads_rows(node, place, axes):
                    self._widen_rows(node)
        del self.graph.initializers[self.value.name]
        if self.value.uses():
            nodes = list(self._widened(self.numbers, self.scales))
            self.graph.insert_before(self.graph[0], nodes)
            _replace(self.value, nodes[-1].outputs[0])

    def _widen_rows(self, gather: ir.Node) -> None:
        rows = [ir.node("Gather", [array, gather.inputs[1]], {"axis": 0}) for array in self._arrays()]
        nodes = [*rows, *self._widened(*(row.outputs[0] for row in rows))]
        assert gather.graph is not None
        gather.graph.insert_before(gather, nodes)
        _replace(gather.outputs[0], nodes[-1].outputs[0])
        gather.graph.remove(gather, safe=True)

    def _arrays(self) -> list[ir.Value]:
        return [self.numbers] if self.scales is None else [self.numbers, self.scales]

    @staticmethod
    def _widened(numbers: ir.Value, scales: ir.Value | None = None) -> Iterator[ir.Node]:
        wide = ir.node("Cast", [numbers], {"to": int(ir.DataType.FLOAT)})
        yield wide
        if scales is not None:
            yield ir.node("Mul", [wide.outputs[0], scales])

    def _initializer(self, array: NDArray[Any], what: str) -> ir.Value:
        name = f"{self.value.name}.{what}"
        while name in self.graph.initializers:
            name += "_"
        found = ir.val(name, const_value=ir.tensor(array, name=name))
        self.graph.register_initializer(found)
        return found


def _replace(value: ir.Value, by: ir.Value) -> None:
    by.name, by.type, by.shape = value.name, value.type, value.shape
    value.replace_all_uses_with(by, replace_graph_outputs=True)


__all__ = ["LEAST_NUMBERS", "Stored", "float16", "int8", "quantized"]
