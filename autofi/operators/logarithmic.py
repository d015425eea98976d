"""Crosses of learned orders, as sums of logarithms: AFN."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from autofi.operators.layers import initialize, logit_mlp, logit_mlp_parameters
from autofi.operators.own_vectors import OwnVectors
from autofi.operators.powers import bounded_exp
from autofi.operators.registry import register
from autofi.operators.streams import Count, Share, Stream, StreamInputs, Widths

#: Smaller columns count as this: a logarithm needs a floor, and this one trains better than smaller ones.
SMALLEST = 1e-5


@dataclass(frozen=True)
class LogarithmicSettings:
    """neurons      crosses, each with a power per field
    hidden       widths of the MLP over the crosses
    dropout      of its hidden layers
    batch_norm   in its hidden layers; logarithms and crosses are always normalised
    own_vectors  whether it reads embeddings of its own instead of those that all share
    """

    neurons: Count = 100
    hidden: Widths = (400,)
    dropout: Share = 0.0
    batch_norm: bool = False
    own_vectors: bool = False


@register
class Logarithmic(Stream):
    """AFN: every neuron multiplies powers of the fields' absolute values column by column; an MLP reads all neurons.

    Batch normalisation follows the logarithms (a channel per field) and the powers (a channel per neuron), as in the
    paper. Costs `neurons·F·D + neurons·D·hidden[0]` products a row.

    As in the public code the floor of the logarithm is 1e-5, the map of the logarithms has no shift, and AFN+'s two
    halves have an embedding table each (`own_vectors`). Its last map over two logits is left out: both end in a
    linear map. Exponents are cut at 30, which is not in the paper.
    """

    name = "logarithmic"
    summary = "AFN: products of learned powers of the fields, read by an MLP"
    formula = "y = MLP(BN(exp(W·BN(ln max(|v|, 1e-5)))))"
    source = "https://arxiv.org/abs/1909.03276"
    Settings = LogarithmicSettings
    examples = ({"neurons": 3, "hidden": [5, 4], "dropout": 0.1, "batch_norm": True, "own_vectors": True},)

    def __init__(self, inputs: StreamInputs, settings: LogarithmicSettings) -> None:
        super().__init__(inputs, settings)
        fields, neurons = len(inputs.fields), settings.neurons
        self.own = OwnVectors(inputs) if settings.own_vectors else None
        self.log_norm = nn.BatchNorm1d(fields)
        self.powers = nn.Linear(fields, neurons, bias=False)
        self.cross_norm = nn.BatchNorm1d(neurons)
        self.layers = logit_mlp(neurons * inputs.dim, settings)
        initialize(self)

    @classmethod
    def num_parameters(cls, inputs: StreamInputs, settings: LogarithmicSettings) -> int:
        fields, neurons = len(inputs.fields), settings.neurons
        found = neurons * fields + 2 * (fields + neurons)
        found += logit_mlp_parameters(neurons * inputs.dim, settings)
        return found + (OwnVectors.num_parameters(inputs) if settings.own_vectors else 0)

    def forward(self, vectors: Tensor, codes: Tensor) -> Tensor:
        if self.own is not None:
            vectors = self.own(vectors, codes)
        # An exponent rounded to bfloat16 would be a cross off by some per cent.
        with torch.autocast(vectors.device.type, enabled=False):
            logarithms = self.log_norm(vectors.float().abs().clamp_min(SMALLEST).log())
            exponents = torch.matmul(self.powers.weight, logarithms)
            crosses = self.cross_norm(bounded_exp(exponents))
        logit: Tensor = self.layers(crosses.flatten(1)).squeeze(1)
        return logit

    def tables(self) -> tuple[nn.Parameter, ...]:
        return () if self.own is None else (self.own.table,)
