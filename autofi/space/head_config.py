"""Sizes of the head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from autofi.core.validated import Count, Share


@dataclass(frozen=True)
class HeadSizes:
    """The sizes of a head; all but `name` matter for the MLP only.

    Attributes:
        ensemble: Networks of an ensemble head (`model.ensemble_head`): they follow the first hidden layer, are trained
            side by side and averaged; dropout and batch normalization then act on that shared layer.
    """

    name: HeadName = "mlp"
    hidden: tuple[Count, ...] = (128, 64)
    dropout: Share = 0.0
    batch_norm: bool = False
    ensemble: Count = 1


HeadName = Literal["none", "sum", "linear", "mlp"]
