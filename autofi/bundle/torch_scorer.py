"""Scoring with torch: the preprocessing of a bundle, and its network or exported program."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from autofi.bundle.bundle import Bundle
from autofi.bundle.network_reads import reads_of
from autofi.bundle.raw_rows import with_unread
from autofi.bundle.scorer import Floats, checked
from autofi.bundle.torch_archive import Program
from autofi.bundle.torch_program import inputs_of
from autofi.core.device import pick_device
from autofi.data.encoded_rows import EncodedRows
from autofi.errors import ExportError

_REASON = 300


class TorchScorer:
    """The scorer that encodes raw rows and runs a bundle's network on `device`, or its `program` on the CPU."""

    # Encoded rows become wide features (one cross row and two numbers per pair), so batches are small.
    rows_at_once = 1 << 14

    def __init__(
        self,
        bundle: Bundle,
        *,
        device: str = "cpu",
        program: Program | None = None,
        folder: Path = Path("the bundle"),
    ) -> None:
        self._folder = folder
        self._builder = bundle.builder
        self._reads = reads_of(bundle.network, bundle.builder)
        self._device = pick_device(device)
        self._network = bundle.network.to(self._device)
        self._calibration = bundle.calibration
        self._program = program

    @torch.inference_mode()
    def probabilities(self, batch: pa.RecordBatch, *, source: str, first_row: int) -> Floats:
        """Return the probability of a click per row, float64 `[N]`."""
        encoder = self._builder.encoder
        columns = with_unread(batch, encoder.schema.names)
        rows = encoder.transform_batch(columns, source=source, first_row=first_row)
        if not len(rows):
            return np.empty(0)
        try:
            return checked(self._scored(rows), len(rows), self._folder)
        except (IndexError, RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())[:_REASON]
            raise ExportError(
                f"The model of '{self._folder}' could not score the rows ({reason}); export it again."
            ) from error

    def _scored(self, rows: EncodedRows) -> Floats:
        features = self._builder.of_rows(rows)
        if self._program is not None:
            return self._program(inputs_of(features, self._reads)).numpy()
        selected = {name: part.to(self._device) for name, part in self._network.select(features).items()}
        logits: Tensor = self._network(selected).double().cpu()
        return (
            logits.sigmoid().numpy() if self._calibration is None else self._calibration.apply(logits.numpy())
        )
