"""Scoring with ONNX Runtime, without torch: the whole model is one graph of raw columns."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from autofi.bundle.inputs import GraphInput
from autofi.bundle.onnx_check import check_onnx
from autofi.bundle.padded_lists import even_rows
from autofi.bundle.scorer import Floats, ScoringTimeError, checked
from autofi.bundle.time_limit import TIME_LIMITS
from autofi.core.memmap import machine_memory
from autofi.data.cross_codes import default_threads
from autofi.data.label_columns import located
from autofi.data.schema import FieldKind
from autofi.errors import ConfigError, ExportError, MissingDependencyError

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
#: A graph is stopped after so many seconds; `rows_at_once` rows of the largest model take a few.
MOST_SECONDS = 60.0
#: The share of the machine's memory for the numbers of running graphs; those of the model itself do not count.
MEMORY_SHARE = 1 / 4
_NOTHING = 4
_REASON = 300


class OnnxScorer:
    """The scorer that runs `model.onnx`.

    A graph is checked before it runs (`onnx_check`) and limited while it runs: by MEMORY_SHARE of the machine's
    memory, and by `most_seconds`, which is checked between two operations.

    Raises:
        ExportError: The check or ONNX Runtime refuses the model.
        ConfigError: ONNX Runtime does not have the device.
    """

    rows_at_once = 1 << 13

    def __init__(
        self, model: Path, inputs: Sequence[GraphInput], *, device: str = "cpu", threads: int | None = None
    ) -> None:
        self.most_seconds = MOST_SECONDS
        self._model = model
        runtime = _runtime()
        beside = model.with_name(f"{model.name}.data")
        try:
            check_onnx(model, {beside.name: beside.stat().st_size} if beside.exists() else {})
        except (OSError, ValueError, IndexError) as error:
            raise ExportError(
                f"'{model}' is not a model that AutoFI wrote ({error}); export it again."
            ) from error
        if PROVIDERS[device] not in runtime.get_available_providers():
            raise ConfigError(
                f"The installed ONNX Runtime has no device '{device}'; install onnxruntime-gpu, or leave --device at "
                "cpu."
            )
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads or default_threads()
        options.log_severity_level = _NOTHING  # errors become one line of our own
        # The model's own numbers are not counted in the limit for running graphs.
        options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
        if _bounds_memory():
            options.add_session_config_entry("session.use_env_allocators", "1")
        providers = list(dict.fromkeys((PROVIDERS[device], PROVIDERS["cpu"])))
        try:
            # Constants were folded at export. Folding them here would run before any time limit holds.
            self._session: Any = runtime.InferenceSession(
                str(model), options, providers=providers, disabled_optimizers=["ConstantFolding"]
            )
        except Exception as error:  # ONNX Runtime's errors have no common base
            reason = " ".join(str(error).split())[:_REASON]
            raise ExportError(
                f"ONNX Runtime cannot read '{model}' ({reason}); upgrade onnxruntime, or export the bundle again."
            ) from error
        self._runtime = runtime
        self._inputs = tuple(inputs)
        self._lists = [given for given in self._inputs if given.field.kind is FieldKind.MULTI_VALUED]
        self._check(model)
        self._output = self._session.get_outputs()[0].name

    def _check(self, model: Path) -> None:
        expected = [(given.name, f"tensor({given.datatype})", len(given.shape)) for given in self._inputs]
        found = [(given.name, given.type, len(given.shape)) for given in self._session.get_inputs()]
        if found != expected:
            told = ", ".join(f"{name[:40]} ({kind}, {axes} axes)" for name, kind, axes in found[:20])
            raise ExportError(
                f"'{model}' does not read the columns of its schema, but {told}; export the bundle again."
            )
        outputs = [given.type for given in self._session.get_outputs()]
        if not outputs or outputs[0] not in ("tensor(double)", "tensor(float)"):
            raise ExportError(
                f"'{model}' does not give probabilities, but {', '.join(outputs[:5]) or 'nothing'}; export the bundle "
                "again."
            )

    def probabilities(self, batch: pa.RecordBatch, *, source: str, first_row: int) -> Floats:
        """Return the probability of a click per row, float64 `[N]`."""
        if not batch.num_rows:
            return np.empty(0)
        rows = range(first_row, first_row + batch.num_rows)
        if not self._lists:
            return self.run(self._feeds(batch, source, rows))
        # In one batch, a row with many values would pad all other rows to its length.
        runs = list(even_rows(self._lengths(batch, source, rows)))
        parts = [
            self.run(self._feeds(batch.slice(run.start, run.stop - run.start), source, rows[run]))
            for run in runs
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _feeds(self, batch: pa.RecordBatch, source: str, rows: range) -> dict[str, NDArray[Any]]:
        feeds = {}
        for given in self._inputs:
            with located(source, given.field.name, rows):
                feeds[given.name] = given.values(batch.column(given.field.name))
        return feeds

    def _lengths(self, batch: pa.RecordBatch, source: str, rows: range) -> NDArray[np.int64]:
        """Return the number of values of every row's longest list, as far as they are read, `[N]`."""
        found = np.zeros(batch.num_rows, dtype=np.int64)
        for given in self._lists:
            with located(source, given.field.name, rows):
                found = np.maximum(found, given.lengths(batch.column(given.field.name)))
        return found

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> Floats:
        """Return the probabilities `[N]`, N ≥ 1, of feeds that the inputs' `values` made.

        Raises:
            ExportError: The graph fails, takes longer than `most_seconds`, or gives no probabilities.
        """
        options = self._runtime.RunOptions()
        options.log_severity_level = _NOTHING
        stopped = False

        def stop() -> None:
            nonlocal stopped
            stopped = options.terminate = True

        try:
            with TIME_LIMITS.within(self.most_seconds, stop):
                (found,) = self._session.run([self._output], feeds, options)
        except Exception as error:  # ONNX Runtime's errors have no common base
            rows = len(next(iter(feeds.values()), ()))
            reason = " ".join(str(error).split())[:_REASON]
            told = f"it had not scored {rows:,} rows in {self.most_seconds:g} s" if stopped else reason
            raise (ScoringTimeError if stopped else ExportError)(
                f"'{self._model}' could not score the rows ({told}); score fewer at once, or export the bundle again."
            ) from error
        return checked(found, len(next(iter(feeds.values()))), self._model)


def onnx_available() -> bool:
    """Return True where ONNX Runtime can be loaded."""
    try:
        _runtime()
    except MissingDependencyError:
        return False
    return True


@cache
def _bounds_memory() -> bool:
    """Give all sessions of this process one limited pool of memory; return False where another pool exists."""
    runtime = _runtime()
    memory = runtime.OrtMemoryInfo(
        "Cpu", runtime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, runtime.OrtMemType.DEFAULT
    )
    settings = runtime.OrtArenaCfg({"max_mem": int(machine_memory() * MEMORY_SHARE)})
    try:
        runtime.create_and_register_allocator(memory, settings)
    except Exception:  # no common base; another part of this process has already registered a pool
        return False
    return True


def _runtime() -> Any:
    try:
        return importlib.import_module("onnxruntime")
    except ImportError as error:
        raise MissingDependencyError(
            "ONNX Runtime, which runs ONNX models, is not installed; run pip install 'autofi[serve]'."
        ) from error
