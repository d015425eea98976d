"""Sizes of the head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from autofi.core.validated import Count, Share


@dataclass(frozen=True)
class ReadoutSizes:
    """The sizes of a head; all but `name` matter for the MLP only.

    Attributes:
        members: Networks of an ensemble head: they follow the first hidden layer, are trained side by side and averaged
            (`model.ensemble_head`); dropout and batch normalization then act on that shared layer.
    """

    name: ReadoutName = "mlp"
    hidden: tuple[Count, ...] = (128, 64)
    dropout: Share = 0.0
    batch_norm: bool = False
    members: Count = 1


ReadoutName = Literal["none", "sum", "linear", "mlp"]
