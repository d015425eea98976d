"""Blocks of layers that multiply two linear maps of the row: FinalNet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from autofi.core.validated import Count, Share, Widths
from autofi.errors import SearchSpaceError
from autofi.operators._mlp import initialize
from autofi.operators.registry import register
from autofi.operators.streams import BranchedStream, StreamInputs


@dataclass(frozen=True)
class FactorizedBlocksSettings:
    """The settings of FinalNet.

    Attributes:
        first: Widths of the first block's layers.
        second: Widths of the second block's layers; () leaves the second block out.
        first_dropout: Dropout of the first block's outputs.
        second_dropout: Dropout of the second block's outputs.
        batch_norm: Batch normalization after every layer.
        gate: True if the first block also reads every field times a linear map of all fields.
        residual: "concat": a layer is half linear, half product; "sum": the sum of both, which takes twice the weights.
    """

    first: Widths = (400, 400)
    second: tuple[Count, ...] = (400,)
    first_dropout: Share = 0.0
    second_dropout: Share = 0.0
    batch_norm: bool = True
    gate: bool = True
    residual: Literal["concat", "sum"] = "concat"

    def __post_init__(self) -> None:
        odd = [width for width in (*self.first, *self.second) if width % 2]
        if self.residual == "concat" and odd:
            raise SearchSpaceError(
                f"factorized_blocks has a width of {odd[0]}, but with the residual 'concat' half of a layer is linear "
                "and half are products; make it even, or set residual to sum."
            )


@register
class FactorizedBlocks(BranchedStream):
    """FinalNet: one or two blocks of factorized interaction layers, each with a logit of its own.

    A layer maps its input to two halves `a` and `b` and hands on `a` next to `a ∘ b`, so that every layer doubles the
    order of the crosses. The mean logit of the blocks scores rows; the loss `distillation` lets each block learn from
    it. It costs the products of an MLP of the same widths (twice as many with the residual "sum"), and with the gate
    `first[0]·F·D + F²·D` more.

    In a block every layer has normalization, ReLU and dropout, in this order. The gate is that of the public code: its
    vectors are read next to the ungated ones, by the first block only. With 5,399 embeddings of 10 columns, 10 fields
    and the layers (400, 400) and (400,) the network has 338,502 parameters, as published for Frappe; with the residual
    "sum" it would have 619,702.
    """

    name = "factorized_blocks"
    aliases = ("finalnet",)
    summary = "FinalNet: blocks of layers that are half linear, half products of two linear maps"
    formula = (
        "y = mean_k w_k·z_kL, z_{l+1} = ReLU([a, a ∘ b]), [a, b] = W_l z_l, z_10 = [v, v ∘ G v], z_20 = v"
    )
    source = "https://doi.org/10.1145/3539618.3591988"
    Settings = FactorizedBlocksSettings
    examples = (
        {"first": [6, 4], "second": [], "gate": False, "batch_norm": False},
        {"first": [3], "second": [5, 2], "residual": "sum", "second_dropout": 0.1},
    )

    def __init__(self, inputs: StreamInputs, settings: FactorizedBlocksSettings) -> None:
        super().__init__(inputs, settings)
        first = _block(_first_width(inputs, settings), settings.first, settings.first_dropout, settings)
        self.blocks = nn.ModuleList([first])
        if settings.second:
            self.blocks.append(_block(inputs.width, settings.second, settings.second_dropout, settings))
        initialize(self)
        self.gate = _Gate(len(inputs.fields)) if settings.gate else None

    @classmethod
    def num_parameters(cls, inputs: StreamInputs, settings: FactorizedBlocksSettings) -> int:
        fields = len(inputs.fields)
        found = (fields + 1) * fields if settings.gate else 0
        for width, hidden in (
            (_first_width(inputs, settings), settings.first),
            (inputs.width, settings.second),
        ):
            for following in hidden:
                found += (width + 1) * following * (2 if settings.residual == "sum" else 1)
                found += 2 * following if settings.batch_norm else 0
                width = following
            found += width + 1 if hidden else 0
        return found

    def branches(self, vectors: Tensor, codes: Tensor) -> Tensor:
        row = vectors.flatten(1)
        read = [row if self.gate is None else torch.cat([row, self.gate(vectors).flatten(1)], 1), row]
        return torch.cat([block(columns) for block, columns in zip(self.blocks, read, strict=False)], 1)


class _Gate(nn.Module):
    """Every field times a linear map of all fields, column by column; the map is 1 at the start."""

    def __init__(self, fields: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(fields, fields))
        self.bias = nn.Parameter(torch.ones(fields, 1))

    def forward(self, vectors: Tensor) -> Tensor:
        gates = torch.matmul(self.weight, vectors) + self.bias
        # Convert first: torch multiplies float32 by bfloat16 element by element, without vector instructions.
        return vectors * gates.to(vectors.dtype)


class _Layer(nn.Module):
    """A layer of the halves `a`, `b` of a linear map: `[a, a ∘ b]`, or `a + a ∘ b` if they are summed."""

    def __init__(self, width: int, following: int, *, added: bool) -> None:
        super().__init__()
        self.added = added
        self.halves = nn.Linear(width, 2 * following if added else following)

    def forward(self, columns: Tensor) -> Tensor:
        linear, other = self.halves(columns).chunk(2, 1)
        return torch.addcmul(linear, linear, other) if self.added else torch.cat([linear, linear * other], 1)


def _first_width(inputs: StreamInputs, settings: FactorizedBlocksSettings) -> int:
    return 2 * inputs.width if settings.gate else inputs.width


def _block(
    width: int, hidden: tuple[int, ...], dropout: float, settings: FactorizedBlocksSettings
) -> nn.Sequential:
    layers: list[nn.Module] = []
    for following in hidden:
        layers.append(_Layer(width, following, added=settings.residual == "sum"))
        if settings.batch_norm:
            layers.append(nn.BatchNorm1d(following))
        layers.append(nn.ReLU())
        if dropout:
            layers.append(nn.Dropout(dropout))
        width = following
    layers.append(nn.Linear(width, 1))
    return nn.Sequential(*layers)
