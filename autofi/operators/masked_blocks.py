"""Layers whose inputs are multiplied by masks made from the row itself: MaskNet."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from autofi.core.validated import Count, Share, Widths
from autofi.operators._mlp import initialize, logit_mlp, logit_mlp_parameters, mlp, mlp_parameters
from autofi.operators.registry import register
from autofi.operators.streams import Stream, StreamInputs


@dataclass(frozen=True)
class MaskedBlocksSettings:
    """The settings of MaskNet.

    Attributes:
        form: "parallel": every block reads the fields; "serial": a block reads the one before it.
        widths: Columns of every block.
        reduction: Columns of a mask's hidden layer for each column that the mask multiplies.
        normalize: True if every field's vector is normalized before it is masked.
        dropout: Dropout of the blocks' outputs and of the MLP's hidden layers.
        hidden: Widths of the MLP over the blocks' outputs (serial: the last one's); () is a linear map, as in the
            paper's serial form.
        batch_norm: Batch normalization in the MLP's hidden layers.
    """

    form: Literal["parallel", "serial"] = "parallel"
    widths: Widths = (64, 64, 64)
    reduction: Annotated[float, Field(gt=0)] = 2.0
    normalize: bool = True
    dropout: Share = 0.0
    hidden: tuple[Count, ...] = (64, 64)
    batch_norm: bool = False


@register
class MaskedBlocks(Stream):
    """MaskNet: blocks `ReLU(LN(W (mask ∘ x)))`, each under a mask of its own, and an MLP over their outputs.

    Every mask is made from the raw field vectors. A block reads the vectors, normalized field by field with a gain and
    a bias for each (public code may leave that out: `normalize`), or the block before it. With `C = F·D` and `r` the
    `reduction`, a block from `n` to `m` columns costs `r·n·(C + n) + n·m` products per row.
    """

    name = "masked_blocks"
    aliases = ("masknet",)
    summary = "MaskNet: layers under masks that are made from the row's own vectors"
    formula = "y = MLP([z_1, ..., z_K]), z_k = ReLU(LN(W_k (m_k ∘ LN(v)))), m_k = P_k ReLU(A_k v + a_k) + p_k"
    source = "https://arxiv.org/abs/2102.07619"
    Settings = MaskedBlocksSettings
    examples = (
        {"form": "serial", "widths": [5, 4], "hidden": []},
        {"widths": [5, 3], "normalize": False, "dropout": 0.5, "hidden": [4], "batch_norm": True},
    )

    def __init__(self, inputs: StreamInputs, settings: MaskedBlocksSettings) -> None:
        super().__init__(inputs, settings)
        self.normalize = _FieldNorm(inputs) if settings.normalize else None
        self.blocks = nn.ModuleList(
            _Block(inputs.width, before, after, settings) for before, after in _shapes(inputs, settings)
        )
        self.dropout = nn.Dropout(settings.dropout)
        self.readout = logit_mlp(_read(settings), settings)
        initialize(self)

    @classmethod
    def num_parameters(cls, inputs: StreamInputs, settings: MaskedBlocksSettings) -> int:
        found = 2 * inputs.width if settings.normalize else 0
        for before, after in _shapes(inputs, settings):
            found += mlp_parameters(inputs.width, (_aggregated(before, settings),), last=before)
            found += before * after + 2 * after
        return found + logit_mlp_parameters(_read(settings), settings)

    def forward(self, vectors: Tensor, codes: Tensor) -> Tensor:
        row = vectors.flatten(1)
        masked = row if self.normalize is None else self.normalize(vectors)
        if self.settings.form == "serial":
            for block in self.blocks:
                masked = self.dropout(block(row, masked))
        else:
            masked = self.dropout(torch.cat([block(row, masked) for block in self.blocks], 1))
        logit: Tensor = self.readout(masked).squeeze(1)
        return logit


class _FieldNorm(nn.Module):
    """Layer normalization of every field's vector with a gain and a bias of its own; the output is concatenated."""

    def __init__(self, inputs: StreamInputs) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(len(inputs.fields), inputs.dim))
        self.shift = nn.Parameter(torch.zeros(len(inputs.fields), inputs.dim))

    def forward(self, vectors: Tensor) -> Tensor:
        normal = nn.functional.layer_norm(vectors, vectors.shape[2:])
        return torch.addcmul(self.shift, normal, self.gain).flatten(1)


class _Block(nn.Module):
    """A layer from `before` to `after` columns under a mask made from the row."""

    def __init__(self, width: int, before: int, after: int, settings: MaskedBlocksSettings) -> None:
        super().__init__()
        self.mask = mlp(width, (_aggregated(before, settings),), last=before)
        self.layer = nn.Linear(before, after, bias=False)
        self.norm = nn.LayerNorm(after)

    def forward(self, row: Tensor, masked: Tensor) -> Tensor:
        # Convert first: torch multiplies float32 by bfloat16 element by element, without vector instructions.
        mask = self.mask(row).to(masked.dtype)
        return torch.relu(self.norm(self.layer(mask * masked).float()))


def _shapes(inputs: StreamInputs, settings: MaskedBlocksSettings) -> list[tuple[int, int]]:
    """Return the numbers of columns that every block reads and gives."""
    if settings.form == "serial":
        return list(pairwise((inputs.width, *settings.widths)))
    return [(inputs.width, width) for width in settings.widths]


def _read(settings: MaskedBlocksSettings) -> int:
    """Return the number of columns that the MLP over the blocks reads."""
    return settings.widths[-1] if settings.form == "serial" else sum(settings.widths)


def _aggregated(before: int, settings: MaskedBlocksSettings) -> int:
    """Return the number of columns of the hidden layer of a mask for `before` columns."""
    return max(1, int(before * settings.reduction))
