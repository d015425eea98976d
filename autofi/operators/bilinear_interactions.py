"""Bilinear products of field vectors, as they are and weighed by their importance: FiBiNET."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from autofi.errors import SearchSpaceError
from autofi.operators.layers import initialize, logit_mlp, logit_mlp_parameters
from autofi.operators.registry import register
from autofi.operators.streams import Count, Share, Stream, StreamInputs, Widths


@dataclass(frozen=True)
class BilinearInteractionsSettings:
    """form         matrices of the products: one for "all", one for "each" left field, one for each "interaction"
    shared       whether weighed vectors are multiplied through the matrices of the unweighed ones
    reduction    fields to one hidden column of what weighs them
    hidden       widths of the MLP
    dropout      of its hidden layers
    batch_norm   in its hidden layers
    """

    form: Literal["all", "each", "interaction"] = "all"
    shared: bool = True
    reduction: Count = 3
    hidden: Widths = (400, 400, 400)
    dropout: Share = 0.0
    batch_norm: bool = False


@register
class BilinearInteractions(Stream):
    """FiBiNET: products `(v_i W) ∘ v_j` of all pairs of fields, and those of the weighed vectors, into an MLP.

    The weights `a` are squeezed and excited from the mean of every vector by two layers without shifts. As
    `(a_i v_i W) ∘ (a_j v_j) = a_i a_j ((v_i W) ∘ v_j)`, no weighed vector is formed, and under `shared` matrices the
    products are formed once. The paper leaves open whether they are shared: FuxiCTR's published sizes say so, others
    keep two sets. With `P` pairs they cost `F·D²` products a row, or `P·D²` with a matrix for each pair, and the
    MLP reads `2·P·D` columns. The paper's linear part is the stream `linear`.
    """

    name = "bilinear_interactions"
    summary = "FiBiNET: bilinear products of field vectors and of vectors weighed by importance, into an MLP"
    formula = (
        "y = MLP([p, q]), p_ij = (v_i W) ∘ v_j, q_ij = (a_i v_i W) ∘ (a_j v_j), a = ReLU(U ReLU(S mean(v)))"
    )
    source = "https://arxiv.org/abs/1905.09433"
    Settings = BilinearInteractionsSettings
    examples = (
        {"form": "each", "shared": False, "reduction": 1, "hidden": [5], "batch_norm": True},
        {"form": "interaction", "reduction": 2, "hidden": [4], "dropout": 0.5},
    )

    left: Tensor
    right: Tensor

    def __init__(self, inputs: StreamInputs, settings: BilinearInteractionsSettings) -> None:
        super().__init__(inputs, settings)
        fields = len(inputs.fields)
        if fields < 2:
            raise SearchSpaceError(
                f"bilinear_interactions multiplies pairs of field vectors: found {fields} field with a vector; "
                "leave the stream out or give more fields an embedding."
            )
        left, right = torch.triu_indices(fields, fields, 1)
        self.register_buffer("left", left, persistent=False)
        self.register_buffer("right", right, persistent=False)
        hidden = _squeezed(fields, settings)
        self.weigh = nn.Sequential(
            nn.Linear(fields, hidden, bias=False), nn.ReLU(), nn.Linear(hidden, fields, bias=False), nn.ReLU()
        )
        self.readout = logit_mlp(2 * inputs.pairs * inputs.dim, settings)
        initialize(self)
        #: Of the vectors as they are, and of the weighed ones where theirs are others: `W` by rows of the left vector.
        self.matrices = nn.ParameterList(
            torch.empty(_matrices(inputs, settings), inputs.dim, inputs.dim)
            for _ in range(1 if settings.shared else 2)
        )
        for matrices in self.matrices:
            for matrix in matrices:
                nn.init.xavier_normal_(matrix)

    @classmethod
    def num_parameters(cls, inputs: StreamInputs, settings: BilinearInteractionsSettings) -> int:
        fields = len(inputs.fields)
        matrices = (1 if settings.shared else 2) * _matrices(inputs, settings) * inputs.dim**2
        read = 2 * inputs.pairs * inputs.dim
        readout = logit_mlp_parameters(read, settings)
        return 2 * fields * _squeezed(fields, settings) + matrices + readout

    def forward(self, vectors: Tensor, codes: Tensor) -> Tensor:
        weights = self.weigh(vectors.mean(2)).to(vectors.dtype).t()
        both = weights.index_select(0, self.left) * weights.index_select(0, self.right)
        # Fields first, [F, B, D]: a matrix product for each matrix, over all rows.
        fields = vectors.transpose(0, 1).contiguous()
        right = fields.index_select(0, self.right)
        products = [self._mapped(fields, matrices).to(right.dtype) * right for matrices in self.matrices]
        # The first are those of the vectors as they are; the last, of the weighed ones, may be the same.
        read = (products[0], products[-1] * both.unsqueeze(2))
        row = torch.cat([part.transpose(0, 1) for part in read], 1).flatten(1)
        logit: Tensor = self.readout(row).squeeze(1)
        return logit

    def _mapped(self, fields: Tensor, matrices: Tensor) -> Tensor:
        """`v_i W` for the left field of every pair, `[P, B, D]`."""
        if self.settings.form == "interaction":
            return torch.bmm(fields.index_select(0, self.left), matrices)
        if self.settings.form == "each":
            return torch.bmm(fields[:-1], matrices).index_select(0, self.left)
        return (fields @ matrices[0]).index_select(0, self.left)


def _matrices(inputs: StreamInputs, settings: BilinearInteractionsSettings) -> int:
    """Matrices of one set of products: the last field is never on the left."""
    return {"all": 1, "each": len(inputs.fields) - 1, "interaction": inputs.pairs}[settings.form]


def _squeezed(fields: int, settings: BilinearInteractionsSettings) -> int:
    """Columns between the two layers that weigh the fields."""
    return max(1, fields // settings.reduction)
