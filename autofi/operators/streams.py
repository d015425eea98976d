"""The contract of an interaction stream: it reads the vectors of all fields and adds a logit of its own."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from autofi.core.validated import read_settings
from autofi.core.versioned_fields import without_defaults
from autofi.operators.base import Candidate, TableBlock, blocks_of


@dataclass(frozen=True)
class StreamInputs:
    """The sizes that a stream is built from.

    Attributes:
        fields: Names of the fields that have a vector, in the order of the vectors.
        rows: Codes by field; 0 for a field whose vector is pooled from a list.
        dim: Width of every vector.
    """

    fields: tuple[str, ...]
    rows: tuple[int, ...]
    dim: int

    @property
    def width(self) -> int:
        """Columns of all vectors concatenated."""
        return len(self.fields) * self.dim

    @property
    def coded_rows(self) -> list[int]:
        """Rows of the fields whose codes streams are given, in the order of the codes."""
        return [rows for rows in self.rows if rows]

    @property
    def pairs(self) -> int:
        """Number of pairs of fields."""
        return len(self.fields) * (len(self.fields) - 1) // 2


@dataclass(frozen=True)
class NoSettings:
    """The settings of a stream that has none."""


class Stream(Candidate):
    """One interaction of all fields: `[B, F, D]` field vectors → logit `[B]`, added to the head's.

    Most published interaction networks end in a linear map next to that of an MLP, so that they compute a sum of
    logits. `codes`, int32 `[B, E]`, are the values' codes of the fields that have codes, for a stream with a table of
    its own.

    A row's output does not depend on other rows, except for batch normalization in training. The same generator gives
    the same weights.
    """

    choice = "stream"
    #: A frozen dataclass of the settings that a space may set; all its fields have defaults.
    Settings: ClassVar[type] = NoSettings
    #: Settings besides the defaults that take other paths through the code: the contract holds for each.
    examples: ClassVar[tuple[Mapping[str, Any], ...]] = ()
    #: True if it gives several logits in training; see `BranchedStream`.
    branched: ClassVar[bool] = False
    #: Names of methods that are not compiled with the stream, such as those that compute block by block: torch's
    #: compiler would unroll every block.
    uncompiled: ClassVar[tuple[str, ...]] = ()

    def __init__(self, inputs: StreamInputs, settings: Any) -> None:
        super().__init__()
        self.inputs = inputs
        self.settings = settings

    @abstractmethod
    def forward(self, vectors: Tensor, codes: Tensor) -> Tensor:
        """Return the logit, `[B]`."""

    @classmethod
    @abstractmethod
    def num_parameters(cls, inputs: StreamInputs, settings: Any) -> int:
        """Return the number of parameters; equal to that of the built module."""

    def table_blocks(self) -> tuple[TableBlock, ...]:
        """Return the blocks of a stream's table: the values of every field with codes, field by field."""
        if not self.tables():
            return ()
        coded = [[name] for name, rows in zip(self.inputs.fields, self.inputs.rows, strict=True) if rows]
        return blocks_of(coded, self.inputs.coded_rows)

    @classmethod
    def settings_of(cls, given: Mapping[str, Any]) -> Any:
        """Return the settings that a space gives, with defaults for the others.

        Raises:
            SearchSpaceError: A setting is wrong.
        """
        return read_settings(cls.Settings, given, f"The stream '{cls.name}'")

    @classmethod
    def without_defaults(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings that an architecture lists."""
        return without_defaults(cls.Settings, settings)


@dataclass(frozen=True)
class Mixture:
    """Several sizes of a stream, mixed by weight.

    Attributes:
        dims: Weight of every column of a field's vector, `[D]`.
        slices: Slices that each size has, as ones and zeros, `[sizes, slices]`.
        shares: Share of each size, `[sizes]`; they add up to 1.
    """

    dims: Tensor
    slices: Tensor
    shares: Tensor

    @property
    def held(self) -> Tensor:
        """The weight of every slice, `[slices]`."""
        # This is not a matrix product, because training computes those in bfloat16.
        return (self.shares.unsqueeze(1) * self.slices).sum(0)


class SlicedStream(Stream):
    """A stream of equal slices (columns of a factor, heads): one with fewer of them is a part of its weights.

    Its size can be learned as a mixture of slices of one largest weight (`supernet.weight_entanglement`). It reads no
    codes.
    """

    @classmethod
    @abstractmethod
    def slices(cls, settings: Any) -> tuple[int, Any]:
        """Return the number of slices, and the settings of a stream with one slice.

        Settings for which the second is equal are sizes of one stream: the first slices of the larger make up the
        smaller.
        """

    @abstractmethod
    def mixed(self, mixture: Mixture) -> dict[str, Tensor]:
        """Return the parameters and buffers, by name, that replace the stream's while sizes are mixed.

        A share of 1 makes `forward` compute what a stream of that size gives for vectors of that width.
        """


def mixed_map(name: str, linear: nn.Linear, given: Tensor, read: Tensor) -> dict[str, Tensor]:
    """Return the replacement of a linear map, given the weights of the columns it gives and reads."""
    found = {f"{name}.weight": linear.weight * torch.outer(given, read)}
    if linear.bias is not None:
        found[f"{name}.bias"] = linear.bias * given
    return found


class BranchedStream(Stream):
    """A stream with several predictions, whose mean scores rows; a loss may compare them (`training.losses`)."""

    branched = True

    @abstractmethod
    def branches(self, vectors: Tensor, codes: Tensor) -> Tensor:
        """Return one logit per branch, `[B, K]`."""

    def forward(self, vectors: Tensor, codes: Tensor) -> Tensor:
        """Return the mean logit `[B]`; in training all logits, `[B, K]`."""
        logits = self.branches(vectors, codes)
        return logits if self.training else logits.mean(1)
