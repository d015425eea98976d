from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper

from autofi.bundle.onnx_names import rename_values


def model() -> onnx.ModelProto:
    """`out = x + (y if flag else two)`, where the branches read values of the outer graph by name."""
    two = helper.make_tensor("two", TensorProto.FLOAT, [1], [2.0])
    branches = {
        f"{name}_branch": helper.make_graph(
            [helper.make_node("Identity", [read], [name])],
            name,
            [],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1])],
        )
        for name, read in (("then", "y"), ("else", "two"))
    }
    nodes = [
        helper.make_node("If", ["flag"], ["chosen"], **branches),
        helper.make_node("Add", ["x", "chosen"], ["out"]),
    ]
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    inputs.append(helper.make_tensor_value_info("flag", TensorProto.BOOL, [1]))
    output = helper.make_tensor_value_info("out", TensorProto.FLOAT, [1])
    graph = helper.make_graph(nodes, "g", inputs, [output], initializer=[two])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def run(made: onnx.ModelProto, *values: np.ndarray) -> float:
    session = ort.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    feeds = dict(zip([given.name for given in session.get_inputs()], values, strict=True))
    (found,) = session.run(["out"], feeds)
    return float(found[0])


def test_inputs_may_be_called_as_any_value_within() -> None:
    names = {"x": "chosen", "y": "two", "flag": "then"}
    made = model()
    rename_values(made.graph, names)
    onnx.checker.check_model(made)
    assert [given.name for given in made.graph.input] == ["chosen", "two", "then"]
    one, five = np.float32([1.0]), np.float32([5.0])
    assert run(made, one, five, np.array([True])) == 6.0
    assert run(made, one, five, np.array([False])) == 3.0


def test_two_values_may_change_their_names() -> None:
    made = model()
    rename_values(made.graph, {"x": "y", "y": "x"})
    one, five = np.float32([1.0]), np.float32([5.0])
    assert [given.name for given in made.graph.input] == ["y", "x", "flag"]
    assert run(made, one, five, np.array([True])) == 6.0
