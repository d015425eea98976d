"""Crosses of fields that sparse attention chooses row by row: ARM-Net."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from autofi.core.validated import Count, Share, Widths
from autofi.operators._entmax import entmax
from autofi.operators._mlp import initialize, logit_mlp, logit_mlp_parameters
from autofi.operators._own_embedding import OwnVectors
from autofi.operators._powers import bounded_exp
from autofi.operators.explains import RowWeights
from autofi.operators.registry import register
from autofi.operators.streams import Stream, StreamInputs


@dataclass(frozen=True)
class ExponentialNeuronsSettings:
    """The settings of ARM-Net.

    Attributes:
        heads: Maps of the fields that attention compares.
        neurons: Crosses per head.
        alpha: Sparsity of the attention: 1 is a softmax, 2 sparsemax; "learned" is one value per head, between 1 and 2
            and starting at 1.5.
        hidden: Widths of the MLP over the crosses.
        dropout: Dropout of its hidden layers.
        batch_norm: Batch normalization in its hidden layers; crosses are always normalized.
        own_vectors: True if it reads embeddings of its own instead of the shared ones.
    """

    heads: Count = 1
    neurons: Count = 32
    alpha: Annotated[float, Field(ge=1, allow_inf_nan=False)] | Literal["learned"] = 1.5
    hidden: Widths = (256, 256)
    dropout: Share = 0.0
    batch_norm: bool = True
    own_vectors: bool = False


@register
class ExponentialNeurons(Stream):
    """ARM-Net: every neuron is a product of powers `exp(v_f)^w_f` over the fields its attention selects.

    Attention is α-entmax, so most fields have a share of exactly 0 in a cross (`crosses`). Batch normalization has one
    channel per neuron; an MLP reads all of them. A head's map and its neurons' queries are multiplied first: with `N =
    heads·neurons`, the attention costs `N·F·D` products per row, the powers as many, the MLP `N·D·hidden[0]`.

    Exponents are clipped at 30, which is not in the paper. ARM-Net+ next to an MLP has an embedding table for each half
    (`own_vectors`) and, here, no last map over the two logits: both end in a linear map. The public code also bounds
    every gradient by 1.
    """

    name = "exponential_neurons"
    aliases = ("arm",)
    summary = "ARM-Net: products of the fields that sparse attention chooses row by row, read by an MLP"
    formula = "y = MLP(BN(exp(Σ_f w_nf v_f))), w_n = u_n ∘ entmax_α(<W_k q_n, v_f> / √D over f)"
    source = "https://arxiv.org/abs/2107.01830"
    differs = (
        "exponents are clipped at 30; ARM-Net+ has no last map over its two logits; single gradients are not "
        "bounded"
    )
    Settings = ExponentialNeuronsSettings
    examples = (
        {"heads": 2, "neurons": 3, "alpha": "learned", "hidden": [8], "own_vectors": True},
        {"neurons": 3, "alpha": 1.7, "hidden": [8, 6], "dropout": 0.1, "batch_norm": False},
        {"neurons": 3, "alpha": 1.0, "hidden": [8]},
        {"neurons": 3, "alpha": 2.0, "hidden": [8]},
    )

    def __init__(self, inputs: StreamInputs, settings: ExponentialNeuronsSettings) -> None:
        super().__init__(inputs, settings)
        heads, neurons, dim = settings.heads, settings.neurons, inputs.dim
        self.scale = dim**-0.5
        self.own = OwnVectors(inputs) if settings.own_vectors else None
        self.maps = nn.Parameter(torch.empty(heads, dim, dim))
        self.queries = nn.Parameter(torch.empty(heads, neurons, dim))
        self.powers = nn.Parameter(torch.empty(heads, neurons, len(inputs.fields)))
        for weights in (self.maps, self.queries, self.powers):
            for head in weights:
                nn.init.xavier_uniform_(head, gain=2**0.5)
        self.sparsity = nn.Parameter(torch.zeros(heads)) if settings.alpha == "learned" else None
        self.norm = nn.BatchNorm1d(heads * neurons)
        self.layers = logit_mlp(heads * neurons * dim, settings)
        initialize(self)

    @classmethod
    def num_parameters(cls, inputs: StreamInputs, settings: ExponentialNeuronsSettings) -> int:
        heads, dim = settings.heads, inputs.dim
        neurons = heads * settings.neurons
        found = heads * dim**2 + neurons * (dim + len(inputs.fields) + 2)
        found += heads if settings.alpha == "learned" else 0
        found += logit_mlp_parameters(neurons * dim, settings)
        return found + (OwnVectors.num_parameters(inputs) if settings.own_vectors else 0)

    def forward(self, vectors: Tensor, codes: Tensor) -> Tensor:
        if self.own is not None:
            vectors = self.own(vectors, codes)
        # In bfloat16, scores would select other fields, and rounded exponents would change crosses by some per cent.
        with torch.autocast(vectors.device.type, enabled=False):
            vectors = vectors.float()
            exponents = torch.matmul(self.crosses(vectors) * self.powers.flatten(0, 1), vectors)
            crosses = self.norm(bounded_exp(exponents))
        logit: Tensor = self.layers(crosses.flatten(1)).squeeze(1)
        return logit

    def crosses(self, vectors: Tensor) -> Tensor:
        """Return each field's share of every neuron's attention, `[B, heads·neurons, F]`; 0 is not in the cross.

        Args:
            vectors: The vectors the stream reads: its own (`own`) if it has some.
        """
        with torch.autocast(vectors.device.type, enabled=False):
            # <W_k q, v> is one product per neuron and field, whatever the size of the map.
            asked = torch.matmul(self.queries, self.maps.transpose(1, 2) * self.scale).flatten(0, 1)
            return entmax(torch.matmul(asked, vectors.float().transpose(1, 2)), self._alpha())

    def explained(self, vectors: Tensor, codes: Tensor) -> list[RowWeights]:
        """Return the fields of every neuron's cross with their shares of its attention."""
        crosses = self.crosses(vectors if self.own is None else self.own(vectors, codes))
        neurons = self.settings.neurons
        return [
            RowWeights(
                f"head {number // neurons + 1}, neuron {number % neurons + 1}", self.inputs.fields, shares
            )
            for number, shares in enumerate(crosses.unbind(1))
        ]

    def _alpha(self) -> float | Tensor:
        if self.sparsity is None:
            return float(self.settings.alpha)
        return (1 + self.sparsity.sigmoid()).repeat_interleave(self.settings.neurons).unsqueeze(1)

    def tables(self) -> tuple[nn.Parameter, ...]:
        return () if self.own is None else (self.own.table,)
