"""Attention between fields: the interacting layers of AutoInt."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from autofi.core.validated import Count, Share
from autofi.core.versioned_fields import added_setting
from autofi.errors import SearchSpaceError
from autofi.operators._mlp import initialize
from autofi.operators._row_blocks import by_blocks
from autofi.operators._softmax import softmax
from autofi.operators.explains import RowWeights
from autofi.operators.registry import register
from autofi.operators.streams import Mixture, SlicedStream, StreamInputs, mixed_map


@dataclass(frozen=True)
class SelfAttentionSettings:
    """The settings of AutoInt.

    Attributes:
        layers: Interacting layers.
        width: Columns of a field after every layer, all heads together.
        heads: Heads of a layer; they divide `width`.
        scaled: True if scores are divided by the root of a head's width.
        dropout: Dropout of the attention's weights.
        relu: True if queries, keys, values and the residual go through ReLU.
        residual: The summand of a layer's output: a "map" of the field, or after the first layer the "field" itself.
        layer_norm: True if every field is normalized after a layer.
        norm_first: True if it is normalized before the layer's ReLU, not after it.
        split: The input that the heads divide: the "columns" of every field, or the "fields" with all their columns.
    """

    layers: Count = 3
    width: Count = 64
    heads: Count = 2
    scaled: bool = True
    dropout: Share = 0.0
    relu: bool = False
    residual: Literal["map", "field"] = added_setting("map")
    layer_norm: bool = False
    norm_first: bool = added_setting(False)
    split: Literal["columns", "fields"] = added_setting("columns")

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise SearchSpaceError(
                f"self_attention has width {self.width} and {self.heads} heads, which must divide it; "
                "change one of them."
            )


@register
class SelfAttention(SlicedStream):
    """AutoInt's interacting layers over the fields, then a linear map of all their outputs.

    The defaults are the paper's equations; its public code has ReLU on queries, keys, values and residual (`relu`), and
    normalizes a layer's output (`layer_norm`). FuxiCTR, which published the results for Frappe, adds the field itself
    if it has the width already (`residual: field`) and normalizes before the ReLU (`norm_first`). Its version 1.2 cut
    the concatenated vectors of all fields into heads (`split: fields`): a head has F slices of width/heads columns,
    those of F/heads neighboring fields, and only they attend to each other. The order of fields then matters. The cost
    is `F·D·4·width + 2·F²·width` products per row and layer, with a quarter of the maps less for `residual: field`.

    A head is a slice, in every layer, unless heads split the fields. Where numbers of heads are mixed, every number is
    normalized (`layer_norm`) by the mean and deviation of the columns it has. Queries and keys are not multiplied by
    the share of their head, which would only make its attention even.
    """

    name = "self_attention"
    aliases = ("autoint",)
    summary = "AutoInt: multi-head self-attention of the fields with a residual"
    formula = "y = w·[e_1, ..., e_F], e_i = ReLU(‖_h Σ_j softmax_j(<Q_h v_i, K_h v_j>) V_h v_j + R v_i)"
    source = "https://arxiv.org/abs/1810.11921"
    differs = (
        "the defaults are the paper's equations; its public code has ReLU on queries, keys and values (`relu`) "
        "and normalizes layers (`layer_norm`), FuxiCTR adds the field itself (`residual: field`)"
    )
    Settings = SelfAttentionSettings
    examples = (
        {"layers": 2, "width": 8, "relu": True, "layer_norm": True, "dropout": 0.1},
        {"layers": 2, "width": 8, "residual": "field", "layer_norm": True, "norm_first": True},
        {"layers": 2, "width": 8, "split": "fields"},
    )

    def __init__(self, inputs: StreamInputs, settings: SelfAttentionSettings) -> None:
        super().__init__(inputs, settings)
        self.scale = (settings.width // settings.heads) ** -0.5 if settings.scaled else 1.0
        widths = [inputs.dim] + [settings.width] * (settings.layers - 1)
        # Queries, keys, values and the residual are one product.
        layers = [
            nn.Linear(width, maps * settings.width, bias=False)
            for width, maps in zip(widths, _maps(settings), strict=True)
        ]
        self.layers = nn.ModuleList(layers)
        self.normal = nn.ModuleList(
            _Normal(settings.width) if settings.layer_norm else nn.Identity() for _ in layers
        )
        self.last = nn.Linear(len(inputs.fields) * settings.width, 1, bias=False)
        initialize(self)
        for layer in layers:
            # Every one of its maps is initialized as a map of its own.
            for part in layer.weight.split(settings.width):
                nn.init.xavier_normal_(part)

    @classmethod
    def num_parameters(cls, inputs: StreamInputs, settings: SelfAttentionSettings) -> int:
        width = settings.width
        first, *others = _maps(settings)
        maps = (inputs.dim * first + width * sum(others)) * width
        normal = 2 * width * settings.layers if settings.layer_norm else 0
        return maps + normal + len(inputs.fields) * width

    def forward(self, vectors: Tensor, codes: Tensor) -> Tensor:
        # A block holds one projection: smaller blocks, for a cache with all four, would make small products.
        return by_blocks(self._logit, vectors, self.settings.width * vectors.shape[1])

    def _logit(self, vectors: Tensor) -> Tensor:
        for place in range(len(self.layers)):
            vectors, _ = self._attended(place, vectors)
        logit: Tensor = self.last(vectors.flatten(1)).squeeze(1)
        return logit

    def _attended(self, place: int, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Return a layer's output, `[B, F, width]`, and its shares of attention, `[B, heads, F, F]`.

        Where heads split the fields, the shares are those of slices of a head's fields, of which it has F.
        """
        settings = self.settings
        projected = self.layers[place](vectors)
        if settings.relu:
            projected = torch.relu(projected)
        *projected, residual = (*projected.split(settings.width, -1), vectors)[:4]
        query, key, value = (self._by_head(part) for part in projected)
        # Torch's fused attention is made for long sequences: its backward pass over about forty fields takes five
        # times as long on a CPU.
        scores = torch.matmul(query * self.scale, key.transpose(-1, -2))
        shares = nn.functional.dropout(softmax(scores), settings.dropout, self.training)
        found = torch.matmul(shares, value)
        # The heads' columns are put side by side, or all slices are concatenated.
        found = (
            found.transpose(1, 2).flatten(2) if settings.split == "columns" else found.reshape(residual.shape)
        )
        normal, found = self.normal[place], found + residual
        return torch.relu(normal(found)) if settings.norm_first else normal(torch.relu(found)), shares

    def _by_head(self, part: Tensor) -> Tensor:
        """Return the part split by head, `[B, heads, F, width/heads]`."""
        rows, fields, width = part.shape
        heads = self.settings.heads
        if self.settings.split == "columns":
            return part.reshape(rows, fields, heads, width // heads).transpose(1, 2)
        return part.reshape(rows, heads, fields, width // heads)

    def explained(self, vectors: Tensor, codes: Tensor) -> list[RowWeights]:
        """Return every field's share of all fields' attention, by layer and head."""
        found = []
        for place in range(len(self.layers)):
            vectors, shares = self._attended(place, vectors)
            found += [
                RowWeights(
                    f"layer {place + 1}, head {head + 1}", self.inputs.fields, self._by_field(head, of_head)
                )
                for head, of_head in enumerate(shares.mean(2).unbind(1))
            ]
        return found

    def _by_field(self, head: int, shares: Tensor) -> Tensor:
        """Return a head's shares summed by field, `[B, F]`."""
        if self.settings.split == "columns":
            return shares
        count = shares.shape[1]
        slices = torch.arange(head * count, (head + 1) * count, device=shares.device)
        return torch.zeros_like(shares).index_add(1, slices // self.settings.heads, shares)

    @classmethod
    def slices(cls, settings: SelfAttentionSettings) -> tuple[int, SelfAttentionSettings]:
        if settings.split == "fields":
            return 1, settings
        return settings.heads, dataclasses.replace(settings, heads=1, width=settings.width // settings.heads)

    def mixed(self, mixture: Mixture) -> dict[str, Tensor]:
        size = self.settings.width // len(mixture.held)
        held, slices = (heads.repeat_interleave(size, -1) for heads in (mixture.held, mixture.slices))
        whole = torch.ones_like(held)
        found = {"last.weight": self.last.weight * held.repeat(len(self.inputs.fields))}
        read = mixture.dims
        for number, layer in enumerate(self.layers):
            assert isinstance(layer, nn.Linear)
            given = [whole, whole, held, held][: layer.out_features // self.settings.width]
            found |= mixed_map(f"layers.{number}", layer, torch.cat(given), read)
            if self.settings.layer_norm:
                found |= {f"normal.{number}.has": slices, f"normal.{number}.shares": mixture.shares}
            read = held
        return found


def _maps(settings: SelfAttentionSettings) -> list[int]:
    """Return the number of maps of every layer: queries, keys, values and, where it is one, the residual."""
    return [4, *[4 if settings.residual == "map" else 3] * (settings.layers - 1)]


class _Normal(nn.LayerNorm):
    """Layer normalization, or several, of the first columns `has` only, mixed by `shares` if given."""

    has: Tensor | None
    shares: Tensor | None

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.register_buffer("has", None)
        self.register_buffer("shares", None)

    def forward(self, vectors: Tensor) -> Tensor:
        if self.has is None or self.shares is None:
            return super().forward(vectors)
        kept = self.has * vectors.float().unsqueeze(-2)  # a choice each, [..., choices, width]
        width = self.has.sum(1, keepdim=True)
        centred = (kept - kept.sum(-1, keepdim=True) / width) * self.has
        deviation = (centred.square().sum(-1, keepdim=True) / width + self.eps).sqrt()
        normalised = (centred / deviation * self.weight + self.bias) * self.has
        return (normalised * self.shares.unsqueeze(1)).sum(-2)
