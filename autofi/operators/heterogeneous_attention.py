"""Attention between fields through maps of their own: Hiformer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from autofi.core.validated import Count, CountOrNone, Share
from autofi.core.versioned_fields import added_setting
from autofi.errors import SearchSpaceError
from autofi.operators._mlp import initialize
from autofi.operators._softmax import softmax
from autofi.operators.explains import RowWeights
from autofi.operators.registry import register
from autofi.operators.streams import Stream, StreamInputs

Projection = Literal["field", "composite"]


@dataclass(frozen=True)
class HeterogeneousAttentionSettings:
    """The settings of Hiformer.

    Attributes:
        layers: Attention layers.
        width: Columns of a token's query, of its key and of its value, all heads together.
        heads: Heads of a layer; they divide `width`.
        projection: Source of a token's query, key and value: its own vector ("field") or all vectors ("composite").
        rank: Columns of the factors of a composite map, per head; 0 keeps the map full.
        hidden: Hidden columns of the map that follows the attention.
        pruned_last: True if the last layer computes the task token only; otherwise the logit reads all its tokens.
        dropout: Dropout of a layer's addition to its tokens.
        norm_tokens: True if tokens are normalized before the first layer.
    """

    layers: Count = 2
    width: Count = 64
    heads: Count = 4
    projection: Projection = "composite"
    rank: CountOrNone = 0
    hidden: Count = 64
    pruned_last: bool = True
    dropout: Share = 0.0
    norm_tokens: bool = added_setting(False)

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise SearchSpaceError(
                f"heterogeneous_attention has width {self.width} and {self.heads} heads, which must divide it; "
                "change one of them."
            )
        if self.rank and self.projection == "field":
            raise SearchSpaceError(
                f"heterogeneous_attention has rank {self.rank} and projection 'field'; set projection 'composite' "
                "or rank 0."
            )


@register
class HeterogeneousAttention(Stream):
    """Hiformer: the fields and a learned task token attend to each other, and no two of them share a map.

    The heterogeneous attention of the paper gives every token queries, keys and values of its own maps; the composite
    projection maps all tokens together to all queries, keys and values. After the attention every token has an output
    map and a two-layer map with GELU of its own; both are added to the token, then normalized.

    No public code settles some choices: normalization after the sum, one normalization for all tokens of a layer, a
    linear map from the task token to the logit, factors by head, and `norm_tokens`. The last is needed because rows of
    a table start so small that the epsilon of a normalization hides them for many steps, and a training that stops
    early stops before they grow. The paper's motivation has a matrix `M_ij` per pair; here, as in its model, products
    `Q_i K_j` stand for them.

    With the logit read from the task token alone, the last layer is computed for it alone without loss: that is the
    paper's pruning. Products per row and layer, for `T = F + 1` tokens: `3·T·D·width` by field, `3·T²·D·width`
    composite, `3·T·rank·(D·heads + width)` in factors; then `2·T²·width + T·D·(width + 2·hidden)`.
    """

    name = "heterogeneous_attention"
    aliases = ("hiformer",)
    summary = "Hiformer: self-attention in which every field has maps of its own, or one map of all fields"
    formula = (
        "y = w·t_L, t_i' = LN(t_i + W_i ‖_h Σ_j softmax_j(<q_hi, k_hj> / √d) v_hj), t_i'' = LN(t_i' + FFN_i(t_i')), "
        "q_hi = Q_hi t_i or Q_hi [t_0, ..., t_F], k and v alike"
    )
    source = "https://arxiv.org/abs/2311.05884"
    differs = (
        "there is no public code: normalization after the sum, the linear map to the logit and factors by head "
        "are our choices, and products of queries and keys stand for a matrix per pair"
    )
    Settings = HeterogeneousAttentionSettings
    examples = (
        {"layers": 1, "width": 8, "heads": 2, "projection": "field", "hidden": 5},
        {"width": 8, "heads": 2, "rank": 3, "hidden": 5, "dropout": 0.1},
        {
            "width": 8,
            "heads": 2,
            "projection": "field",
            "hidden": 5,
            "pruned_last": False,
            "norm_tokens": True,
        },
    )

    def __init__(self, inputs: StreamInputs, settings: HeterogeneousAttentionSettings) -> None:
        super().__init__(inputs, settings)
        tokens, dim = len(inputs.fields) + 1, inputs.dim
        # It is not as small as the rows of a table, because every row of the data trains it.
        self.task = nn.Parameter(torch.randn(dim))
        self.normal = nn.LayerNorm(dim) if settings.norm_tokens else nn.Identity()
        self.layers = nn.ModuleList(_Layer(tokens, read, dim, settings) for read in _read(tokens, settings))
        self.last = nn.Linear((1 if settings.pruned_last else tokens) * dim, 1, bias=False)
        initialize(self)

    @classmethod
    def num_parameters(cls, inputs: StreamInputs, settings: HeterogeneousAttentionSettings) -> int:
        tokens, dim, width, rank = len(inputs.fields) + 1, inputs.dim, settings.width, settings.rank
        found = dim + (2 * dim if settings.norm_tokens else 0) + (1 if settings.pruned_last else tokens) * dim
        for read in _read(tokens, settings):
            mapped = read + 2 * tokens  # queries, keys and values
            if settings.projection == "field":
                found += mapped * dim * width
            elif rank:
                found += rank * (3 * settings.heads * tokens * dim + mapped * width)
            else:
                found += mapped * tokens * dim * width
            found += read * (
                width * dim + dim * settings.hidden + settings.hidden + settings.hidden * dim + dim
            )
            found += 4 * dim
        return found

    def forward(self, vectors: Tensor, codes: Tensor) -> Tensor:
        tokens = self._tokens(vectors)
        for layer in self.layers:
            tokens = layer(tokens)
        logit: Tensor = self.last(tokens.flatten(1)).squeeze(1)
        return logit

    def _tokens(self, vectors: Tensor) -> Tensor:
        task = self.task.to(vectors.dtype).expand(vectors.shape[0], 1, -1)
        normalised: Tensor = self.normal(torch.cat((vectors, task), 1))
        return normalised

    def explained(self, vectors: Tensor, codes: Tensor) -> list[RowWeights]:
        """Return every field's share of the task token's attention, by layer and head; the token has the rest."""
        tokens, found = self._tokens(vectors), []
        for place, layer in enumerate(self.layers):
            assert isinstance(layer, _Layer)
            found += [
                RowWeights(f"layer {place + 1}, head {head + 1}", self.inputs.fields, of_head[:, -1, :-1])
                for head, of_head in enumerate(layer.shares(tokens).unbind(1))
            ]
            tokens = layer(tokens)
        return found


def _read(tokens: int, settings: HeterogeneousAttentionSettings) -> list[int]:
    """Return the number of tokens every layer gives, counted from the last one, the task token."""
    return [tokens] * (settings.layers - 1) + [1 if settings.pruned_last else tokens]


class _Layer(nn.Module):
    """Attention and a map by token, for the last `given` of its tokens: `[B, T, D] → [B, given, D]`."""

    def __init__(self, tokens: int, given: int, dim: int, settings: HeterogeneousAttentionSettings) -> None:
        super().__init__()
        size = settings.width // settings.heads
        self.given = given
        self.scale = size**-0.5
        self.dropout = settings.dropout
        self.queries = _projection(tokens, given, settings.heads, size, dim, settings)
        self.keys_values = _projection(tokens, tokens, 2 * settings.heads, size, dim, settings)
        self.output = _ByToken(given, settings.width, dim)
        self.normal = nn.ModuleList((nn.LayerNorm(dim), nn.LayerNorm(dim)))
        self.hidden = _ByToken(given, dim, settings.hidden, shift=True)
        self.back = _ByToken(given, settings.hidden, dim, shift=True)

    def forward(self, tokens: Tensor) -> Tensor:
        key, value = self.keys_values(tokens).chunk(2, 1)
        found = torch.matmul(self._shares(tokens, key), value).transpose(1, 2).flatten(2)
        tokens = self._added(0, tokens[:, -self.given :], self.output(found))
        return self._added(1, tokens, self.back(nn.functional.gelu(self.hidden(tokens))))

    def shares(self, tokens: Tensor) -> Tensor:
        """Return every token's share of the attention of each of the last tokens, `[B, heads, given, T]`."""
        key, _ = self.keys_values(tokens).chunk(2, 1)
        return self._shares(tokens, key)

    def _shares(self, tokens: Tensor, key: Tensor) -> Tensor:
        return softmax(torch.matmul(self.queries(tokens) * self.scale, key.transpose(-1, -2)))

    def _added(self, place: int, tokens: Tensor, found: Tensor) -> Tensor:
        # Convert first, so that the sum and its normalization are float32 whatever the products were.
        found = nn.functional.dropout(found.to(tokens.dtype), self.dropout, self.training)
        normalised: Tensor = self.normal[place](tokens + found)
        return normalised


class _ByToken(nn.Module):
    """A separate linear map for each of the last tokens, all in one batched product."""

    def __init__(self, tokens: int, columns: int, mapped: int, *, shift: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(_weight((tokens, columns, mapped), columns, mapped))
        self.bias = nn.Parameter(torch.zeros(tokens, 1, mapped)) if shift else None

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens.transpose(0, 1)
        mapped = (
            torch.bmm(tokens, self.weight)
            if self.bias is None
            else torch.baddbmm(self.bias, tokens, self.weight)
        )
        return mapped.transpose(0, 1)


class _FieldProjection(nn.Module):
    """Each of the last tokens by its own map: `[B, T, D] → [B, groups, given, size]`."""

    def __init__(self, given: int, groups: int, size: int, dim: int) -> None:
        super().__init__()
        self.given, self.groups = given, groups
        self.map = _ByToken(given, dim, groups * size)

    def forward(self, tokens: Tensor) -> Tensor:
        mapped: Tensor = self.map(tokens[:, -self.given :])
        grouped: Tensor = mapped.unflatten(2, (self.groups, -1))
        return grouped.transpose(1, 2)


class _CompositeProjection(nn.Module):
    """All tokens by one map: `[B, T, D] → [B, groups, given, size]`."""

    def __init__(self, tokens: int, given: int, groups: int, size: int, dim: int) -> None:
        super().__init__()
        self.shape = (groups, given, size)
        columns = tokens * dim
        self.weight = nn.Parameter(_weight((columns, groups * given * size), columns, size))

    def forward(self, tokens: Tensor) -> Tensor:
        mapped: Tensor = torch.mm(tokens.flatten(1), self.weight).unflatten(1, self.shape)
        return mapped


class _FactoredProjection(nn.Module):
    """All tokens by one map of low rank in every group: `[B, T, D] → [B, groups, given, size]`."""

    def __init__(self, tokens: int, given: int, groups: int, size: int, dim: int, rank: int) -> None:
        super().__init__()
        self.groups, self.given = groups, given
        columns = tokens * dim
        self.first = nn.Parameter(_weight((columns, groups * rank), columns, rank))
        self.second = nn.Parameter(_weight((groups, rank, given * size), rank, size))

    def forward(self, tokens: Tensor) -> Tensor:
        first = torch.mm(tokens.flatten(1), self.first).unflatten(1, (self.groups, -1)).transpose(0, 1)
        mapped: Tensor = torch.bmm(first, self.second).transpose(0, 1).unflatten(2, (self.given, -1))
        return mapped


def _projection(
    tokens: int, given: int, groups: int, size: int, dim: int, settings: HeterogeneousAttentionSettings
) -> nn.Module:
    if settings.projection == "field":
        return _FieldProjection(given, groups, size, dim)
    if settings.rank:
        return _FactoredProjection(tokens, given, groups, size, dim, settings.rank)
    return _CompositeProjection(tokens, given, groups, size, dim)


def _weight(shape: tuple[int, ...], columns: int, mapped: int) -> Tensor:
    """Return several linear maps from `columns` to `mapped` columns in one tensor, each initialized as if alone."""
    deviation: float = (2.0 / (columns + mapped)) ** 0.5
    return torch.randn(shape) * deviation
