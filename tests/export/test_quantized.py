"""A quantized graph computes with rounded tables and weights, and is the same graph otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from onnx import numpy_helper

from autofi.bundle.files import QUANTIZATIONS, Quantization
from autofi.export.onnx_quantize import LEAST_NUMBERS, float16, int8, quantized

Arrays = Mapping[str, np.ndarray]
DRAWN = np.random.default_rng(0)


def network(
    body: str, *, inputs: str = "int64[N] rows", output: str = "float[N, M] out", **held: np.ndarray
) -> onnx.ModelProto:
    """A model of these nodes and initializers."""
    text = f'<ir_version: 10, opset_import: ["": 20]> network ({inputs}) => ({output}) {{ {body} }}'
    model = onnx.parser.parse_model(text)
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in held.items())
    return model


def initializers(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}


def run(model: onnx.ModelProto, **feeds: np.ndarray) -> np.ndarray:
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, feeds)
    return np.asarray(found)


def slow_int8(values: np.ndarray, shared: tuple[int, ...]) -> np.ndarray:
    """Group by group, number by number."""
    found = np.zeros_like(values)
    kept = [axis for axis in range(values.ndim) if axis not in shared]
    for place in np.ndindex(*(values.shape[axis] for axis in kept)):
        index: list[Any] = [slice(None)] * values.ndim
        for axis, number in zip(kept, place, strict=True):
            index[axis] = number
        group = values[tuple(index)]
        scale = np.float32(max(abs(float(value)) for value in group.flat)) / np.float32(127)
        steps = [round(float(value / scale)) if scale else 0 for value in group.flat]
        found[tuple(index)] = np.array([np.float32(step) * scale for step in steps]).reshape(group.shape)
    return found


def slow(values: np.ndarray, kind: Quantization, shared: tuple[int, ...]) -> np.ndarray:
    return slow_int8(values, shared) if kind == "int8" else values.astype(np.float16).astype(np.float32)


def drawn(*shape: int, scale: float = 1.0) -> np.ndarray:
    return (scale * DRAWN.standard_normal(shape)).astype(np.float32)


TABLE = drawn(300, 16)
ROWS = np.array([0, 299, 7, 7, -1])
LOOKED_UP = "out = Gather <axis = 0> (table, rows)"


@pytest.mark.parametrize("kind", QUANTIZATIONS)
def test_looked_up_rows_are_the_rounded_ones(kind: Quantization) -> None:
    model = quantized(network(LOOKED_UP, table=TABLE), kind)
    np.testing.assert_array_equal(run(model, rows=ROWS), slow(TABLE, kind, (1,))[ROWS])
    sizes = {(array.dtype.name, array.shape) for array in initializers(model).values()}
    halves, scaled = {("float16", (300, 16))}, {("int8", (300, 16)), ("float32", (300, 1))}
    assert sizes == (scaled if kind == "int8" else halves)
    # The rows of a table are gathered in its own type: it is never widened as a whole.
    assert {node.op_type for node in model.graph.node if set(node.input) & set(initializers(model))} == {
        "Gather"
    }


@given(
    arrays(
        np.float32,
        array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=6),
        elements=st.floats(-(2.0**120), 2.0**120, width=32),
    )
)
def test_int8_is_within_half_a_step_of_every_number(values: np.ndarray) -> None:
    stored = int8(values, (1,))
    assert stored.scales is not None
    wide = stored.numbers.astype(np.float32) * stored.scales
    assert np.isfinite(wide).all()
    # Below the smallest normal number a scale itself is rounded.
    allowed = stored.scales.astype(np.float64) * 0.5001 + 128 * np.finfo(np.float32).smallest_subnormal
    assert (np.abs(wide.astype(np.float64) - values) <= allowed).all()


@given(arrays(np.float32, (3, 4), elements=st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_float16_is_the_nearest_or_none_at_all(values: np.ndarray) -> None:
    stored = float16(values)
    assert (stored is None) == bool((np.abs(values) >= 65520).any())
    if stored is not None:
        apart = np.abs(stored.numbers.astype(np.float64) - values)
        assert (apart <= np.maximum(np.abs(values) * 2.0**-11, 2.0**-25)).all()


def test_rows_of_zeros_stay_zeros_and_one_huge_number_costs_its_own_row_only() -> None:
    table = TABLE.copy()
    table[7] = 0
    table[8, 3] = 1e30
    table[9] = 1e-45  # too small for a scale
    found = run(quantized(network(LOOKED_UP, table=table), "int8"), rows=np.arange(300))
    assert not found[[7, 9]].any()
    assert found[8, 3] == pytest.approx(1e30)
    assert not found[8, [0, 1, 2, *range(4, 16)]].any()
    others = np.delete(np.arange(300), [7, 8, 9])
    np.testing.assert_array_equal(found[others], slow_int8(TABLE, (1,))[others])


@pytest.mark.parametrize(("columns", "held"), [(1, "float16"), (4, "float16"), (5, "int8"), (300, "int8")])
def test_int8_is_chosen_where_it_is_smaller_scales_included(columns: int, held: str) -> None:
    table = drawn(LEAST_NUMBERS, columns)
    found = initializers(quantized(network(LOOKED_UP, table=table), "int8"))
    assert f"table.{held}" in found
    assert sum(array.nbytes for array in found.values()) == table.size * min(2, 1 + 4 / columns)


@pytest.mark.parametrize("kind", QUANTIZATIONS)
@pytest.mark.parametrize(
    "table",
    [
        drawn(LEAST_NUMBERS),
        drawn(31, 33),
        np.where(np.arange(2048).reshape(2048, 1) == 5, np.float32(70_000), TABLE[0, 0]),
        np.where(np.arange(4800).reshape(300, 16) == 5, np.float32(np.inf), TABLE),
        np.where(np.arange(4800).reshape(300, 16) == 5, np.float32(np.nan), TABLE),
    ],
    ids=["vector", "small", "beyond float16", "infinite", "no number"],
)
def test_what_cannot_or_need_not_be_smaller_is_left_as_it_is(kind: Quantization, table: np.ndarray) -> None:
    found = initializers(quantized(network(LOOKED_UP, table=table), kind))
    assert list(found) == ["table"]
    np.testing.assert_array_equal(found["table"], table)


def test_numbers_beyond_float16_are_held_by_int8() -> None:
    found = initializers(quantized(network(LOOKED_UP, table=TABLE * 1e6), "int8"))
    assert found["table.int8"].dtype == np.int8


def test_integers_and_doubles_are_left_as_they_are() -> None:
    for table in (np.arange(4800).reshape(300, 16), TABLE.astype(np.float64)):
        model = network("found = Gather (table, rows) out = Cast <to = 1> (found)", table=table)
        assert quantized(model, "fp16").graph.initializer == model.graph.initializer


X = drawn(5, 40)
PRODUCTS: dict[str, tuple[str, np.ndarray, tuple[int, ...]]] = {
    "MatMul": ("out = MatMul (x, weight)", drawn(40, 30), (0,)),
    "MatMul of a batch": ("out = MatMul (x, weight)", drawn(3, 40, 30), (1,)),
    "MatMul from the left": ("t = Transpose (x) out = MatMul (weight, t)", drawn(30, 40), (1,)),
    "Gemm": ("out = Gemm (x, weight)", drawn(40, 30), (0,)),
    "Gemm transB": ("out = Gemm <transB = 1> (x, weight)", drawn(30, 40), (1,)),
    "Gemm from the left": ("out = Gemm <transB = 1> (weight, x)", drawn(30, 40), (1,)),
    "Gemm transA": ("out = Gemm <transA = 1, transB = 1> (weight, x)", drawn(40, 30), (0,)),
}


@pytest.mark.parametrize("kind", QUANTIZATIONS)
@pytest.mark.parametrize("product", PRODUCTS)
def test_a_weight_has_a_scale_per_output(product: str, kind: Quantization) -> None:
    body, weight, shared = PRODUCTS[product]
    ends = {
        "inputs": "float[N, 40] x",
        "output": "float[B, N, M] out" if weight.ndim == 3 else "float[N, M] out",
    }
    model = network(body, **ends, weight=weight)
    rounded = network(body, **ends, weight=slow(weight, kind, shared))
    found = run(quantized(model, kind), x=X)
    np.testing.assert_allclose(found, run(rounded, x=X), rtol=1e-5, atol=1e-5)
    assert np.abs(found - run(model, x=X)).max() > 1e-4


READERS = {
    "two lookups": "a = Gather (table, rows) b = Gather <axis = -2> (table, rows) out = Add (a, b)",
    "constant rows": "a = Gather (table, fixed) out = Add (a, a)",
    "one row": "a = Gather (table, one) b = Gather (table, rows) out = Mul (a, b)",
    "rows and a product": "a = Gather (table, rows) out = Gemm <transB = 1> (a, table)",
    "rows and columns": "a = Gather (table, rows) c = Gather <axis = 1> (table, fixed) t = Transpose (c) "
    "s = ReduceSum <keepdims = 0> (t) out = Mul (a, s)",
    "other readers": "a = GatherND (table, at) b = ReduceSum <keepdims = 0> (table) c = Gather (table, one) "
    "out = Sum (a, b, c)",
    "branches": "two = Constant <value = int64 {2}> () n = Size (rows) more = Greater (n, two) out = If (more) <"
    "then_branch = yes () => (float[M, 16] y) { y = Gather (table, rows) }, "
    "else_branch = no () => (float[M, 16] z) { w = Gather (table, fixed) z = Neg (w) }>",
}


@pytest.mark.parametrize("kind", QUANTIZATIONS)
@pytest.mark.parametrize("reader", READERS)
def test_everything_that_reads_a_table_reads_the_same_rounded_one(reader: str, kind: Quantization) -> None:
    indices = {"fixed": np.array([3, 1]), "one": np.array(4), "at": np.array([[2], [9]])}
    used = {name: array for name, array in indices.items() if f" {name}" in READERS[reader]}
    model = network(READERS[reader], table=TABLE, **used)
    before = model.SerializeToString()
    small = quantized(model, kind)
    assert model.SerializeToString() == before
    rounded = network(READERS[reader], table=slow(TABLE, kind, (1,)), **used)
    for rows in (np.array([5, 6, 7]), np.array([8])):
        found, expected = run(small, rows=rows), run(rounded, rows=rows)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert small.ByteSize() < model.ByteSize() * (0.6 if kind == "fp16" else 0.45)


def test_what_is_neither_a_table_nor_a_weight_is_float16_with_int8_too() -> None:
    body = (
        "a = GatherND (table, at) n = Cast <to = 1> (rows) s = ReduceSum <keepdims = 0> (n) out = Mul (a, s)"
    )
    model = network(body, table=TABLE, at=np.array([[2], [9]]))
    found = quantized(model, "int8")
    assert initializers(found).keys() == {"table.float16", "at"}
    expected = TABLE[[2, 9]].astype(np.float16) * np.float32(ROWS.sum())
    np.testing.assert_allclose(run(found, rows=ROWS), expected, rtol=1e-6)


def test_names_that_are_taken_are_not_taken_twice() -> None:
    held = {"table": TABLE, "table.int8": TABLE + 1, "val_0": TABLE - 1}
    body = (
        "a = Gather (table, rows) b = Gather (table_int8, rows) c = Gather (val_0, rows) out = Sum (a, b, c)"
    )
    model = network(body, **{name.replace(".", "_"): array for name, array in held.items()})
    for node in model.graph.node:
        node.input[:] = ["table.int8" if name == "table_int8" else name for name in node.input]
    for array in model.graph.initializer:
        array.name = "table.int8" if array.name == "table_int8" else array.name
    expected = sum(slow_int8(array, (1,))[ROWS] for array in held.values())
    np.testing.assert_allclose(run(quantized(model, "int8"), rows=ROWS), expected, rtol=1e-5, atol=1e-5)


def test_a_default_of_an_input_and_an_output_stay_float32() -> None:
    model = network(LOOKED_UP, inputs="int64[N] rows, float[300, 16] table", table=TABLE)
    assert list(initializers(quantized(model, "int8"))) == ["table"]
    model = network("a = Gather (table, rows)", output="float[300, 16] table", table=TABLE)
    np.testing.assert_array_equal(run(quantized(model, "int8"), rows=ROWS), TABLE)


def test_a_gathered_output_keeps_its_name() -> None:
    (found,) = quantized(network(LOOKED_UP, table=TABLE), "int8").graph.output
    assert found.name == "out"
