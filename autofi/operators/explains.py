"""Optional protocols by which an operator or a stream explains its output for a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import Tensor


@dataclass(frozen=True, eq=False)
class RowWeights:
    """Weights that a row gives to named parts, such as fields or experts.

    Attributes:
        name: A name for the weights, such as "head 1, neuron 3".
        parts: Names of the weighted parts.
        weights: `[B, len(parts)]`; 0 means not used at all.
    """

    name: str
    parts: tuple[str, ...]
    weights: Tensor


@runtime_checkable
class Explains(Protocol):
    """An operator or a stream with weights that differ from row to row."""

    def explained(self, *read: Any, **named: Any) -> Sequence[RowWeights]:
        """Return the weights of some rows, from the arguments of `forward`."""


@runtime_checkable
class Knows(Protocol):
    """An operator that looks rows up: a value or a cell may have been too rare in training, or absent."""

    def known(self, selected: Tensor) -> Tensor:
        """Return True where the row's value or cell has an entry of its own, bool `[B, S]`, from `forward`'s arguments.

        Missing has an entry of its own.
        """
