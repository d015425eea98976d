"""Products of field-aware vectors, the common part of FFM and ONN."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from autofi.errors import SearchSpaceError
from autofi.operators._pair_products import INITIAL_DEVIATION
from autofi.operators.base import look_up, table_offsets
from autofi.operators.streams import StreamInputs


class FieldAwareProducts(nn.Module):
    """Codes `[B, E]` → `<V_{x_i, f_j}, V_{x_j, f_i}>` of every pair of fields with codes, `[B, E(E-1)/2]`.

    A row of the table holds one vector per *other* field, so that a batch is one gather. It costs `E²·dim/2` products
    per row, and `(E-1)·dim` numbers per value.
    """

    offsets: Tensor
    ends: Tensor
    partners: Tensor
    pairs: Tensor

    def __init__(self, inputs: StreamInputs, dim: int) -> None:
        super().__init__()
        rows = inputs.coded_rows
        if len(rows) < 2:
            raise SearchSpaceError(
                f"Fields with an embedding: {len(rows)}, but field-aware vectors need two; give more fields the "
                "form 'embedding', or leave the stream out."
            )
        self.dim = dim
        self.table = nn.Parameter(torch.randn(sum(rows), (len(rows) - 1) * dim) * INITIAL_DEVIATION)
        self.register_buffer("offsets", table_offsets(rows), persistent=False)
        # Field i keeps its vectors for the others in their order, with none for itself.
        left, right = torch.triu_indices(len(rows), len(rows), 1)
        ends = torch.stack((left * (len(rows) - 1) + right - 1, right * (len(rows) - 1) + left))
        places = torch.argsort(ends.flatten())
        self.register_buffer("ends", ends, persistent=False)
        self.register_buffer("partners", ends.flip(0).flatten()[places], persistent=False)
        self.register_buffer("pairs", places % ends.shape[1], persistent=False)

    @staticmethod
    def num_parameters(inputs: StreamInputs, dim: int) -> int:
        rows = inputs.coded_rows
        return sum(rows) * (len(rows) - 1) * dim

    @staticmethod
    def num_pairs(inputs: StreamInputs) -> int:
        """Return the number of columns of the output."""
        fields = len(inputs.coded_rows)
        return fields * (fields - 1) // 2

    def forward(self, codes: Tensor) -> Tensor:
        found = look_up(self.table, codes + self.offsets)
        # The count is given instead of -1, which is ambiguous for no rows.
        vectors = found.view(codes.shape[0], len(self.partners), self.dim)
        products: Tensor = _Products.apply(vectors, self.ends, self.partners, self.pairs)  # type: ignore[no-untyped-call]
        return products


class _Products(torch.autograd.Function):
    """Field-aware products with an explicit gradient: each vector's partner times the pair's gradient.

    Autograd adds into both ends separately, which takes three times as long on a CPU.
    """

    @staticmethod
    def forward(ctx: Any, vectors: Tensor, ends: Tensor, partners: Tensor, pairs: Tensor) -> Tensor:
        ctx.save_for_backward(vectors, partners, pairs)
        left, right = ends
        return vectors.index_select(1, left).mul_(vectors.index_select(1, right)).sum(-1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        vectors, partners, pairs = ctx.saved_tensors
        on_ends = gradients[0].index_select(1, pairs).unsqueeze(-1)
        return vectors.index_select(1, partners).mul_(on_ends), None, None, None
