"""Bilinear products of field vectors, raw and weighted by importance: FiBiNET."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from autofi.core.validated import Count, Share, Widths
from autofi.errors import SearchSpaceError
from autofi.operators._mlp import initialize, logit_mlp, logit_mlp_parameters
from autofi.operators._row_blocks import block_rows, products_dtype, row_blocks
from autofi.operators.explains import RowWeights
from autofi.operators.registry import register
from autofi.operators.streams import Stream, StreamInputs


@dataclass(frozen=True)
class BilinearInteractionsSettings:
    """The settings of FiBiNET.

    Attributes:
        form: Matrices of the products: one for "all", one for "each" left field, one for each "interaction".
        shared: True if weighted vectors are multiplied through the matrices of the unweighted ones.
        reduction: Fields per hidden column of the layers that weight them.
        hidden: Widths of the MLP.
        dropout: Dropout of its hidden layers.
        batch_norm: Batch normalization in its hidden layers.
    """

    form: Literal["all", "each", "interaction"] = "all"
    shared: bool = True
    reduction: Count = 3
    hidden: Widths = (400, 400, 400)
    dropout: Share = 0.0
    batch_norm: bool = False


@register
class BilinearInteractions(Stream):
    """FiBiNET: products `(v_i W) ∘ v_j` of all pairs of fields, and those of weighted vectors, into an MLP.

    The weights `a` come from the mean of every vector through two layers without biases (squeeze and excitation). As
    `(a_i v_i W) ∘ (a_j v_j) = a_i a_j ((v_i W) ∘ v_j)`, no weighted vector is formed, and with `shared` matrices the
    products are formed once. The paper leaves open whether they are shared: FuxiCTR's published sizes say so, others
    keep two sets. With `P` pairs they cost `F·D²` products per row, or `P·D²` with a matrix for each pair, and the MLP
    reads `2·P·D` columns. The paper's linear part is the stream `linear`.
    """

    name = "bilinear_interactions"
    aliases = ("fibinet",)
    summary = "FiBiNET: bilinear products of field vectors and of vectors weighted by importance, into an MLP"
    formula = (
        "y = MLP([p, q]), p_ij = (v_i W) ∘ v_j, q_ij = (a_i v_i W) ∘ (a_j v_j), a = ReLU(U ReLU(S mean(v)))"
    )
    source = "https://arxiv.org/abs/1905.09433"
    Settings = BilinearInteractionsSettings
    examples = (
        {"form": "each", "shared": False, "reduction": 1, "hidden": [5], "batch_norm": True},
        {"form": "interaction", "reduction": 2, "hidden": [4], "dropout": 0.5},
    )
    uncompiled = ("_products",)

    left: Tensor
    right: Tensor
    places: Tensor

    def __init__(self, inputs: StreamInputs, settings: BilinearInteractionsSettings) -> None:
        super().__init__(inputs, settings)
        fields = len(inputs.fields)
        if fields < 2:
            raise SearchSpaceError(
                f"bilinear_interactions has {fields} field with a vector and multiplies pairs; "
                "leave the stream out or give more fields an embedding."
            )
        left, right = torch.triu_indices(fields, fields, 1)
        self.register_buffer("left", left, persistent=False)
        self.register_buffer("right", right, persistent=False)
        #: The position of the mapped left vector of every pair.
        places = torch.arange(inputs.pairs) if settings.form == "interaction" else left
        self.register_buffer("places", places, persistent=False)
        hidden = _squeezed(fields, settings)
        self.weigh = nn.Sequential(
            nn.Linear(fields, hidden, bias=False), nn.ReLU(), nn.Linear(hidden, fields, bias=False), nn.ReLU()
        )
        self.readout = logit_mlp(2 * inputs.pairs * inputs.dim, settings)
        initialize(self)
        #: The matrices `W` for raw vectors, and for weighted ones where they differ, by rows of the left vector.
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
        weights = self.weigh(vectors.mean(2)).to(vectors.dtype)
        both = weights.index_select(1, self.left) * weights.index_select(1, self.right)
        mapped = (self._mapped(vectors, matrices).to(vectors.dtype) for matrices in self.matrices)
        logit: Tensor = self.readout(self._products(vectors, both, *mapped)).squeeze(1)
        return logit

    def explained(self, vectors: Tensor, codes: Tensor) -> list[RowWeights]:
        """Return the importance of every field."""
        return [RowWeights("importance", self.inputs.fields, self.weigh(vectors.mean(2)))]

    def _products(self, vectors: Tensor, both: Tensor, *mapped: Tensor) -> Tensor:
        found: Tensor = _Products.apply(  # type: ignore[no-untyped-call]
            vectors, both, self.places, self.right, products_dtype(vectors), *mapped
        )
        return found

    def _mapped(self, vectors: Tensor, matrices: Tensor) -> Tensor:
        """Return `v_i W` for every vector on the left, or for the left one of every pair at its place in `places`."""
        if self.settings.form == "all":
            return vectors @ matrices[0]
        # This is one matrix product per matrix, over all rows.
        pairwise = self.settings.form == "interaction"
        fields = vectors.index_select(1, self.left) if pairwise else vectors[:, :-1]
        return torch.bmm(fields.transpose(0, 1), matrices).transpose(0, 1)


class _Products(torch.autograd.Function):
    """`[m_i ∘ v_j, a_i a_j (m_i ∘ v_j)]` of all pairs, block by block: `[B, 2·P·D]`, with one or two sets of `m`.

    The products are many times as wide as their inputs, so the gradient computes them again instead of storing them.
    """

    @staticmethod
    def forward(
        ctx: Any,
        vectors: Tensor,
        both: Tensor,
        left: Tensor,
        right: Tensor,
        dtype: torch.dtype,
        *mapped: Tensor,
    ) -> Tensor:
        rows, _, dim = vectors.shape
        found = vectors.new_empty(rows, 2, len(left), dim, dtype=dtype)
        blocks = row_blocks(len(left) * dim, vectors, found, both.unsqueeze(2), mapped[0], mapped[-1])
        for vector, part, weight, plain, weighed in blocks:
            rights = vector.index_select(1, right)
            products = plain.index_select(1, left).mul_(rights)
            part[:, 0].copy_(products)
            if len(mapped) == 2:
                products = rights.mul_(weighed.index_select(1, left))
            part[:, 1].copy_(products.mul_(weight))
        ctx.save_for_backward(vectors, both, left, right, *mapped)
        return found.flatten(1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        vectors, both, left, right, *mapped = ctx.saved_tensors
        gradient = gradients[0].view(len(vectors), 2, len(left), -1)
        size = block_rows(vectors, len(left) * vectors.shape[2])
        of_vectors, of_both = torch.zeros_like(vectors), torch.empty_like(both)
        of_mapped = [torch.zeros_like(one) for one in mapped]
        tensors = (gradient, vectors, both.unsqueeze(2), of_vectors, of_both)
        sets = zip(*(one.split(size) for one in mapped), strict=True)
        of_sets = zip(*(one.split(size) for one in of_mapped), strict=True)
        blocks = zip(*(one.split(size) for one in tensors), sets, of_sets, strict=True)
        for part, vector, weight, of_vector, of_weight, ones, of_ones in blocks:
            rights = vector.index_select(1, right)
            lefts = [one.index_select(1, left) for one in ones]
            weighed = part[:, 1].to(vectors.dtype)
            torch.sum(weighed * lefts[-1] * rights, 2, out=of_weight)
            changes = [part[:, 0].to(vectors.dtype), weighed.mul_(weight)]
            if len(mapped) == 1:
                changes = [changes[0].add_(changes[1])]
            for change, one, of_left in zip(changes, lefts, of_ones, strict=True):
                of_vector.index_add_(1, right, one.mul_(change))
                of_left.index_add_(1, left, change.mul_(rights))
        return of_vectors, of_both, None, None, None, *of_mapped


def _matrices(inputs: StreamInputs, settings: BilinearInteractionsSettings) -> int:
    """Return the number of matrices of one set of products; the last field is never on the left."""
    return {"all": 1, "each": len(inputs.fields) - 1, "interaction": inputs.pairs}[settings.form]


def _squeezed(fields: int, settings: BilinearInteractionsSettings) -> int:
    """Return the number of columns between the two layers that weight the fields."""
    return max(1, fields // settings.reduction)
