"""The pooled embedding of a multi-valued field."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from autofi.data.features import Column
from autofi.data.vocabulary import OUT_OF_VOCABULARY
from autofi.operators._lookup import UNKNOWN_SHARE, TableOperator, some_unknown
from autofi.operators.base import Shapes, Sizes, look_up
from autofi.operators.feature_tensors import FeatureTensors
from autofi.operators.registry import register


@register
class Bag(TableOperator):
    """The mean of the embeddings of a list's tokens; an empty list gives zeros.

    In training, `UNKNOWN_SHARE` of the tokens are treated as unseen, so that the row of unseen tokens is trained.
    """

    name = "bag"
    aliases = ("pooled_embedding",)
    choice = "field"
    arity = 1
    sizes_read = ("embedding_dim",)
    vector = True
    summary = "the mean of the learned vectors of a list's values"
    formula = "y = mean over t in x_f of E_f[t]"
    source = "https://doi.org/10.1145/2959100.2959190"

    @classmethod
    def applies(cls, slot: Column, shapes: Shapes) -> bool:
        return slot[0] in shapes.bags

    @classmethod
    def width(cls, slot: Column, shapes: Shapes, sizes: Sizes) -> int:
        return sizes.embedding_dim

    @classmethod
    def rows(cls, slot: Column, shapes: Shapes) -> int:
        return shapes.bags[slot[0]][1]

    def read(self, features: FeatureTensors) -> Tensor:
        """Return rows of the shared table, `[N, S, L]`; -1 beyond a list's end."""
        bags = [features.bag(self.shapes.bags[slot[0]][0]) for slot in self.slots]
        length = max(bag.shape[1] for bag in bags)
        codes = torch.stack(
            [nn.functional.pad(bag, (0, length - bag.shape[1]), value=-1) for bag in bags], dim=1
        )
        return torch.where(codes < 0, -1, codes + self.offsets.cpu().unsqueeze(1))

    def forward(self, selected: Tensor) -> Tensor:
        if self.training:
            unknown = some_unknown(selected, UNKNOWN_SHARE, (self.offsets + OUT_OF_VOCABULARY).unsqueeze(-1))
            selected = torch.where(selected >= 0, unknown, selected)
        present = (selected >= 0).unsqueeze(-1)  # [B, S, L, 1]
        vectors = look_up(self.table, selected.clamp(min=0)) * present
        return (vectors.sum(2) / present.sum(2).clamp(min=1)).flatten(1)
