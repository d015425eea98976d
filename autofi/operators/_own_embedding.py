"""Embeddings owned by one stream, for networks whose halves were published with an embedding table each."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from autofi.errors import SearchSpaceError
from autofi.operators._lookup import INITIAL_DEVIATION
from autofi.operators.base import look_up, table_offsets
from autofi.operators.streams import StreamInputs


class OwnVectors(nn.Module):
    """A second embedding of every field that has one; vectors pooled from lists stay the shared ones."""

    offsets: Tensor
    pooled: Tensor
    order: Tensor

    def __init__(self, inputs: StreamInputs) -> None:
        super().__init__()
        rows = inputs.coded_rows
        if not rows:
            raise SearchSpaceError(
                "own_vectors is true, but found no field with the form 'embedding'; set own_vectors to false "
                "or give a field an embedding."
            )
        self.table = nn.Parameter(torch.randn(sum(rows), inputs.dim) * INITIAL_DEVIATION)
        looked_up = [field for field, rows in enumerate(inputs.rows) if rows]
        pooled = [field for field, rows in enumerate(inputs.rows) if not rows]
        self.register_buffer("offsets", table_offsets(rows), persistent=False)
        self.register_buffer("pooled", torch.tensor(pooled, dtype=torch.int64), persistent=False)
        self.register_buffer("order", torch.tensor(looked_up + pooled).argsort(), persistent=False)

    @staticmethod
    def num_parameters(inputs: StreamInputs) -> int:
        """Return the number of parameters."""
        return sum(inputs.rows) * inputs.dim

    def forward(self, vectors: Tensor, codes: Tensor) -> Tensor:
        """Return vectors `[B, F, D]`, in the order of the shared ones."""
        own = look_up(self.table, codes + self.offsets)
        if not len(self.pooled):
            return own
        return torch.cat([own, vectors.index_select(1, self.pooled)], 1).index_select(1, self.order)
