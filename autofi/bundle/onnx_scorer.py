"""Scoring by ONNX Runtime: the whole model is one graph of raw columns; nothing of torch is needed."""

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
#: What a model's graph is told to stop after: `rows_at_once` rows of the largest take seconds.
MOST_SECONDS = 60.0
#: Of the machine's memory, what the numbers of running graphs may take; those of the model itself do not count.
MEMORY_SHARE = 1 / 4
_NOTHING = 4
_REASON = 300


class OnnxScorer:
    """Runs `model.onnx`; raises ExportError where the model is refused, here or by ONNX Runtime, and ConfigError where
    that has no such device.

    A graph is looked through before it is run (`onnx_check`), and bounded while it is: by MEMORY_SHARE of the machine's
    memory and, in `most_seconds`, between two of its operations.
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
                f"A bundle holds a model that AutoFI wrote: '{model}' is none ({error}); export it again."
            ) from error
        if PROVIDERS[device] not in runtime.get_available_providers():
            raise ConfigError(
                f"ONNX Runtime scores on the devices it was built for: this one has no '{device}'; install "
                "onnxruntime-gpu, or leave --device at cpu."
            )
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads or default_threads()
        options.log_severity_level = _NOTHING  # what fails is told in one line, ours
        # Not counted with the numbers of running graphs; both beside what the machine has.
        options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
        if _bounds_memory():
            options.add_session_config_entry("session.use_env_allocators", "1")
        providers = list(dict.fromkeys((PROVIDERS[device], PROVIDERS["cpu"])))
        try:
            # What could be folded is folded where it was exported. Here it would run before any limit of time holds.
            self._session: Any = runtime.InferenceSession(
                str(model), options, providers=providers, disabled_optimizers=["ConstantFolding"]
            )
        except Exception as error:  # of its own: they share no base
            reason = " ".join(str(error).split())[:_REASON]
            raise ExportError(
                f"ONNX Runtime reads the model of a bundle: '{model}' it does not ({reason}); upgrade onnxruntime, or "
                "export it again."
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
                f"The model of a bundle reads the columns of its schema: '{model}' reads {told}; export it again."
            )
        outputs = [given.type for given in self._session.get_outputs()]
        if not outputs or outputs[0] not in ("tensor(double)", "tensor(float)"):
            raise ExportError(
                f"The model of a bundle gives probabilities: '{model}' gives {', '.join(outputs[:5]) or 'nothing'}; "
                "export it again."
            )

    def probabilities(self, batch: pa.RecordBatch, *, source: str, first_row: int) -> Floats:
        """Return the probability of a click per row, float64 `[N]`."""
        if not batch.num_rows:
            return np.empty(0)
        rows = range(first_row, first_row + batch.num_rows)
        if not self._lists:
            return self.run(self._feeds(batch, source, rows))
        # Padded to the longest list, one row of many values would make as many of all others.
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
        """Values of every row's longest list, as far as they are read."""
        found = np.zeros(batch.num_rows, dtype=np.int64)
        for given in self._lists:
            with located(source, given.field.name, rows):
                found = np.maximum(found, given.lengths(batch.column(given.field.name)))
        return found

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> Floats:
        """The same from what the inputs' `values` gave, `[N]`, N ≥ 1.

        Raises ExportError where the graph fails, takes longer than `most_seconds`, or gives no probabilities.
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
        except Exception as error:  # of its own: they share no base
            rows = len(next(iter(feeds.values()), ()))
            reason = " ".join(str(error).split())[:_REASON]
            told = f"it had not scored {rows:,} rows in {self.most_seconds:g} s" if stopped else reason
            raise (ScoringTimeError if stopped else ExportError)(
                f"The model of a bundle scores rows: '{self._model}' did not ({told}); score fewer at once, or export "
                "it again."
            ) from error
        return checked(found, len(next(iter(feeds.values()))), self._model)


def onnx_available() -> bool:
    """Whether ONNX Runtime can be loaded."""
    try:
        _runtime()
    except MissingDependencyError:
        return False
    return True


@cache
def _bounds_memory() -> bool:
    """Let all sessions of this process take their numbers from one place that has an end; false where there is one."""
    runtime = _runtime()
    memory = runtime.OrtMemoryInfo(
        "Cpu", runtime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, runtime.OrtMemType.DEFAULT
    )
    settings = runtime.OrtArenaCfg({"max_mem": int(machine_memory() * MEMORY_SHARE)})
    try:
        runtime.create_and_register_allocator(memory, settings)
    except Exception:  # of its own: another part of this process has registered one, and decides
        return False
    return True


def _runtime() -> Any:
    try:
        return importlib.import_module("onnxruntime")
    except ImportError as error:
        raise MissingDependencyError(
            "An ONNX model is run by ONNX Runtime, which is not installed: pip install 'autofi[serve]'."
        ) from error
