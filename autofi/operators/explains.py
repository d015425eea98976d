"""What an operator or a stream may tell about a row beside what it gives: optional, each in its own file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import Tensor


@dataclass(frozen=True, eq=False)
class RowWeights:
    """Weights that a row gives to named parts: fields, experts.

    name      which of its weights these are, such as "head 1, neuron 3"
    parts     what is weighed
    weights   `[B, len(parts)]`; 0 is not used at all
    """

    name: str
    parts: tuple[str, ...]
    weights: Tensor


@runtime_checkable
class Explains(Protocol):
    """An operator or a stream with weights that differ from row to row."""

    def explained(self, *read: Any, **named: Any) -> Sequence[RowWeights]:
        """The weights of some rows; of what `forward` is given."""


@runtime_checkable
class Knows(Protocol):
    """An operator that looks rows up: a value or a cell may have been too rare in training, or not been there."""

    def known(self, selected: Tensor) -> Tensor:
        """Whether a row's value or cell has an entry of its own, bool `[B, S]`; of what `forward` is given.

        Missing is an entry of its own.
        """
