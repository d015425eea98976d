"""The outputs of an exported module, by `torch.export` and by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import onnxruntime
from torch import Tensor, nn

from autofi.bundle.torch_program import export_program, onnx_program
from autofi.export.onnx_opset import OPSET


def exported(
    module: nn.Module, inputs: Mapping[str, Tensor], rows: tuple[int, ...]
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield for every number of `rows` the outputs of the program and of the graph for the first rows of the inputs."""
    program = export_program(module, inputs)
    model = onnx_program(program, inputs, OPSET).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    read = {given.name for given in session.get_inputs()}
    for number in rows:
        few = {name: tensor[:number] for name, tensor in inputs.items()}
        by_program = program.module()(few).detach().numpy()
        (by_graph,) = session.run(None, {name: few[name].numpy() for name in read})
        yield number, by_program, by_graph
