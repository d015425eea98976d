"""Sizes of the head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from autofi.core.validated import Count, Share


@dataclass(frozen=True)
class ReadoutSizes:
    """What a read-out is built from; all but `name` matters for the MLP only.

    members     networks behind the first hidden layer, trained side by side and averaged (`model.members`); dropout
                and batch normalisation then act on that shared layer
    """

    name: ReadoutName = "mlp"
    hidden: tuple[Count, ...] = (128, 64)
    dropout: Share = 0.0
    batch_norm: bool = False
    members: Count = 1


ReadoutName = Literal["none", "sum", "linear", "mlp"]
