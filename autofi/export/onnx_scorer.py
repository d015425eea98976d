"""Scoring by ONNX Runtime: the whole model is one graph of raw columns; nothing of torch is needed."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from autofi.data.cells import default_threads
from autofi.data.roles import located
from autofi.errors import ConfigError, ExportError, MissingDependencyError
from autofi.export.inputs import GraphInput
from autofi.export.scoring import Floats

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_ERRORS_ONLY = 3


class OnnxScorer:
    """Runs `model.onnx`; raises ExportError where ONNX Runtime refuses it, ConfigError where it has no such device."""

    rows_at_once = 1 << 13

    def __init__(
        self, model: Path, inputs: Sequence[GraphInput], *, device: str = "cpu", threads: int | None = None
    ) -> None:
        runtime = _runtime()
        if PROVIDERS[device] not in runtime.get_available_providers():
            raise ConfigError(
                f"ONNX Runtime scores on the devices it was built for: this one has no '{device}'; install "
                "onnxruntime-gpu, or leave --device at cpu."
            )
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads or default_threads()
        options.log_severity_level = _ERRORS_ONLY
        providers = list(dict.fromkeys((PROVIDERS[device], PROVIDERS["cpu"])))
        try:
            self._session: Any = runtime.InferenceSession(str(model), options, providers=providers)
        except Exception as error:  # of its own: they share no base
            reason = " ".join(str(error).split())
            raise ExportError(
                f"ONNX Runtime reads the model of a bundle: '{model}' it does not ({reason}); upgrade onnxruntime, or "
                "export it again."
            ) from error
        self._inputs = tuple(inputs)
        self._output = self._session.get_outputs()[0].name
        self._check(model)

    def _check(self, model: Path) -> None:
        found = [given.name for given in self._session.get_inputs()]
        if found != [given.name for given in self._inputs]:
            raise ExportError(
                f"The model of a bundle reads the columns of its schema: '{model}' reads {', '.join(found)}; "
                "export it again."
            )

    def probabilities(self, batch: pa.RecordBatch, *, source: str, first_row: int) -> Floats:
        """The probability of a click per row, float64 `[N]`."""
        if not batch.num_rows:
            return np.empty(0)
        feeds = {}
        rows = range(first_row, first_row + batch.num_rows)
        for given in self._inputs:
            with located(source, given.field.name, rows):
                feeds[given.name] = given.values(batch.column(given.field.name))
        return self.run(feeds)

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> Floats:
        """The same from what the inputs' `values` gave, `[N]`, N ≥ 1."""
        (found,) = self._session.run([self._output], feeds)
        return np.asarray(found, dtype=np.float64)


def onnx_available() -> bool:
    """Whether ONNX Runtime can be loaded."""
    try:
        _runtime()
    except MissingDependencyError:
        return False
    return True


def _runtime() -> Any:
    try:
        return importlib.import_module("onnxruntime")
    except ImportError as error:
        raise MissingDependencyError(
            "An ONNX model is run by ONNX Runtime, which is not installed: pip install 'autofi[serve]'."
        ) from error
