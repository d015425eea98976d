"""Two MLPs whose outputs are multiplied: FinalMLP."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from autofi.core.validated import Count, Share, Widths
from autofi.errors import SearchSpaceError, nearest
from autofi.operators._mlp import initialize, mlp, mlp_parameters
from autofi.operators.explains import RowWeights
from autofi.operators.registry import register
from autofi.operators.streams import Stream, StreamInputs


@dataclass(frozen=True)
class TwoStreamsSettings:
    """The settings of FinalMLP.

    Attributes:
        first: Widths of the first MLP.
        second: Widths of the second MLP.
        first_dropout: Dropout of the first MLP's hidden layers.
        second_dropout: Dropout of the second MLP's hidden layers.
        batch_norm: Batch normalization in their hidden layers.
        heads: Heads of the bilinear fusion; they divide both last widths.
        gates: Widths of the hidden layers of the feature gates; () leaves gates out.
        first_context: Fields whose vectors set the gates of the first MLP; () is one learned vector.
        second_context: Fields whose vectors set the gates of the second MLP; () is one learned vector.
    """

    first: Widths = (400,)
    second: Widths = (400,)
    first_dropout: Share = 0.0
    second_dropout: Share = 0.0
    batch_norm: bool = False
    heads: Count = 1
    gates: tuple[Count, ...] = ()
    first_context: tuple[str, ...] = ()
    second_context: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for width in (self.first[-1], self.second[-1]):
            if width % self.heads:
                raise SearchSpaceError(
                    f"two_streams has {self.heads} heads and a width of {width}; the heads must divide both last "
                    "widths, so change one of them."
                )


@register
class TwoStreams(Stream):
    """FinalMLP: two MLPs over the field vectors, each behind gates of its own, fused by a bilinear form per head.

    The bilinear form of every head is one matrix product `[B, d1] x [d1, d2]`, never a product per row.
    """

    name = "two_streams"
    aliases = ("finalmlp",)
    summary = "FinalMLP: two MLPs behind feature gates, fused by a bilinear form"
    formula = "y = w_1·o_1 + w_2·o_2 + Σ_h o_1hᵀ W_h o_2h"
    source = "https://arxiv.org/abs/2304.00902"
    differs = (
        "gates read the shared vectors of their fields, not embeddings of their own; without fields each gate "
        "learns one vector"
    )
    Settings = TwoStreamsSettings
    examples = (
        {
            "first": [6],
            "second": [4],
            "heads": 2,
            "gates": [5],
            "first_context": ["item"],
            "batch_norm": True,
        },
    )

    def __init__(self, inputs: StreamInputs, settings: TwoStreamsSettings) -> None:
        super().__init__(inputs, settings)
        self.gates = nn.ModuleList(
            _Gates(inputs, context, settings.gates)
            for context in (settings.first_context, settings.second_context)
            if settings.gates
        )
        self.mlps = nn.ModuleList(
            mlp(inputs.width, hidden, dropout=dropout, batch_norm=settings.batch_norm)
            for hidden, dropout in (
                (settings.first, settings.first_dropout),
                (settings.second, settings.second_dropout),
            )
        )
        first, second = settings.first[-1], settings.second[-1]
        self.linear = nn.ModuleList((nn.Linear(first, 1, bias=False), nn.Linear(second, 1, bias=False)))
        shape = (settings.heads, first // settings.heads, second // settings.heads)
        initialize(self)
        # Initialized as small as a linear map of all its products (as in the public code): the streams learn first.
        products = shape[0] * shape[1] * shape[2]
        self.fusion = nn.Parameter(torch.randn(shape) * (2.0 / (products + 1)) ** 0.5)

    @classmethod
    def num_parameters(cls, inputs: StreamInputs, settings: TwoStreamsSettings) -> int:
        outputs = settings.first[-1] + settings.second[-1]
        found = outputs + settings.first[-1] * settings.second[-1] // settings.heads
        for hidden, context in (
            (settings.first, settings.first_context),
            (settings.second, settings.second_context),
        ):
            found += mlp_parameters(inputs.width, hidden, batch_norm=settings.batch_norm)
            if settings.gates:
                seen = inputs.dim * max(len(context), 1)
                found += mlp_parameters(seen, settings.gates, last=inputs.width)
                found += 0 if context else inputs.dim
        return found

    def forward(self, vectors: Tensor, codes: Tensor) -> Tensor:
        row = vectors.flatten(1)
        gated = [row * gates(vectors) for gates in self.gates] or [row, row]
        left, right = (layers(columns) for layers, columns in zip(self.mlps, gated, strict=True))
        # [H, B, d1] x [H, d1, d2] → [H, B, d2], next to the second output.
        heads = left.unflatten(1, (self.settings.heads, -1)).transpose(0, 1)
        fused = torch.bmm(heads, self.fusion).transpose(0, 1).flatten(1)
        first, second = self.linear
        logit: Tensor = (first(left) + second(right)).squeeze(1) + (fused * right).sum(1)
        return logit

    def explained(self, vectors: Tensor, codes: Tensor) -> list[RowWeights]:
        """Return the mean gate, between 0 and 2, over the columns of every field, by MLP."""
        return [
            RowWeights(
                f"gates of the {which} MLP",
                self.inputs.fields,
                gates(vectors).unflatten(1, (len(self.inputs.fields), -1)).mean(2).expand(len(vectors), -1),
            )
            for which, gates in zip(("first", "second"), self.gates, strict=False)
        ]


class _Gates(nn.Module):
    """A factor in (0, 2) per column, from the vectors of context fields or from one learned vector."""

    where: Tensor

    def __init__(self, inputs: StreamInputs, context: tuple[str, ...], hidden: tuple[int, ...]) -> None:
        super().__init__()
        for name in context:
            if name not in inputs.fields:
                raise SearchSpaceError(
                    f"two_streams has the context '{name}', which is no field with an embedding; "
                    f"{nearest(name, inputs.fields)}"
                )
        self.register_buffer(
            "where", torch.tensor([inputs.fields.index(name) for name in context]), persistent=False
        )
        self.learned = None if context else nn.Parameter(torch.zeros(1, inputs.dim))
        self.layers = mlp(inputs.dim * max(len(context), 1), hidden, last=inputs.width)

    def forward(self, vectors: Tensor) -> Tensor:
        seen = vectors.index_select(1, self.where).flatten(1) if self.learned is None else self.learned
        return 2 * torch.sigmoid(self.layers(seen))
