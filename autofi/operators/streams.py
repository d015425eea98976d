"""The contract of a stream: what reads the vectors of all fields together and adds a logit of its own."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from autofi.core.validated import read_settings
from autofi.core.versioned_fields import listed
from autofi.operators.base import Candidate, TableBlock, blocks_of


@dataclass(frozen=True)
class StreamInputs:
    """What a stream is built from.

    fields   names of the fields that have a vector, in the order of the vectors
    rows     codes by field; 0 for a field whose vector is pooled from a list
    dim      width of every vector
    """

    fields: tuple[str, ...]
    rows: tuple[int, ...]
    dim: int

    @property
    def width(self) -> int:
        """Columns of all vectors laid end to end."""
        return len(self.fields) * self.dim

    @property
    def coded_rows(self) -> list[int]:
        """Rows of the fields whose codes streams are given, in the order of the codes."""
        return [rows for rows in self.rows if rows]

    @property
    def pairs(self) -> int:
        """Pairs of fields."""
        return len(self.fields) * (len(self.fields) - 1) // 2


@dataclass(frozen=True)
class NoSettings:
    """The settings of a stream that has none."""


class Stream(Candidate):
    """One interaction of all fields: `[B, F, D]` field vectors → logit `[B]`, added to the read-out's.

    Most published interaction networks end in a linear map next to that of an MLP, so that a sum of logits is what
    they compute. `codes` are those of the values of the fields that have any, int32 `[B, E]`, for a stream with a
    table of its own.

    Rows never see each other, but for batch normalisation while training. The same generator gives the same weights.
    """

    choice = "stream"
    #: A frozen dataclass whose fields all have defaults: what a space may set.
    Settings: ClassVar[type] = NoSettings
    #: Settings beside the defaults that take other ways through the code: the contract is kept with each.
    examples: ClassVar[tuple[Mapping[str, Any], ...]] = ()
    #: Whether it gives several logits while training: see `BranchedStream`.
    branched: ClassVar[bool] = False

    def __init__(self, inputs: StreamInputs, settings: Any) -> None:
        super().__init__()
        self.inputs = inputs
        self.settings = settings

    @abstractmethod
    def forward(self, vectors: Tensor, codes: Tensor) -> Tensor:
        """The logit `[B]`."""

    @classmethod
    @abstractmethod
    def num_parameters(cls, inputs: StreamInputs, settings: Any) -> int:
        """Trained numbers; equal to those of the built module."""

    def table_blocks(self) -> tuple[TableBlock, ...]:
        """A table of a stream holds the values of every field with codes, field by field."""
        if not self.tables():
            return ()
        coded = [[name] for name, rows in zip(self.inputs.fields, self.inputs.rows, strict=True) if rows]
        return blocks_of(coded, self.inputs.coded_rows)

    @classmethod
    def settings_of(cls, given: Mapping[str, Any]) -> Any:
        """The settings a space gives, the others at their defaults; a wrong one raises `SearchSpaceError`."""
        return read_settings(cls.Settings, given, f"The stream '{cls.name}'")

    @classmethod
    def listed(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Of all settings those that an architecture lists."""
        return listed(cls.Settings, settings)


@dataclass(frozen=True)
class Mixture:
    """Several sizes of a stream, mixed by weight.

    dims     how much there is of every column of a field's vector, `[D]`
    slices   which slices each size has, ones and zeros, `[sizes, slices]`
    shares   how much of each size, `[sizes]`; they add up to 1
    """

    dims: Tensor
    slices: Tensor
    shares: Tensor

    @property
    def held(self) -> Tensor:
        """How much there is of every slice, `[slices]`."""
        # No product of matrices: training makes those in bfloat16.
        return (self.shares.unsqueeze(1) * self.slices).sum(0)


class SlicedStream(Stream):
    """A stream of equal slices (columns of a factor, heads): one with fewer of them is a part of its weights.

    Its size can be learned as a mixture of slices of one largest weight (`supernet.entangled`). It reads no codes.
    """

    @classmethod
    @abstractmethod
    def slices(cls, settings: Any) -> tuple[int, Any]:
        """How many slices there are, and the settings of a stream of one.

        Settings with the same second are sizes of one stream: the first slices of the larger make up the smaller.
        """

    @abstractmethod
    def mixed(self, mixture: Mixture) -> dict[str, Tensor]:
        """What stands for a parameter or buffer, by name, while sizes are mixed.

        A share of 1 makes `forward` what a stream of that size gives for vectors of that width.
        """


def mixed_map(name: str, linear: nn.Linear, given: Tensor, read: Tensor) -> dict[str, Tensor]:
    """What stands for a linear map of that name where there is so much of every column it gives and reads."""
    found = {f"{name}.weight": linear.weight * torch.outer(given, read)}
    if linear.bias is not None:
        found[f"{name}.bias"] = linear.bias * given
    return found


class BranchedStream(Stream):
    """Several predictions of which the mean scores rows; a training's loss may compare them (`training.losses`)."""

    branched = True

    @abstractmethod
    def branches(self, vectors: Tensor, codes: Tensor) -> Tensor:
        """A logit per branch, `[B, K]`."""

    def forward(self, vectors: Tensor, codes: Tensor) -> Tensor:
        """The mean logit `[B]`; while training all of them, `[B, K]`."""
        logits = self.branches(vectors, codes)
        return logits if self.training else logits.mean(1)
