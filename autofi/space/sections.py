"""The parts of a search space: what a field and a pair may be, products of several fields, how options are chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from autofi.core.validated import Count, CountOrNone, NonNegative, Positive, Strict
from autofi.errors import SearchSpaceError, nearest
from autofi.operators.registry import get_operator, get_stream, operators
from autofi.space.architecture import Forms
from autofi.space.parameters import Choices, kind_of

#: Streams by name, each with its settings.
Streams = dict[str, dict[str, Any]]


class StreamSets(Choices):
    """One of some sets of streams; the first is tried first."""

    choices: tuple[Streams, ...] = Field(min_length=1)


class FieldSpace(Strict):
    """Which operators represent a field: all that apply, or with `first` only the first that does.

    With `search` every subset competes.
    """

    forms: tuple[str, ...]
    search: bool = False
    first: bool = False

    @field_validator("forms")
    @classmethod
    def _known(cls, forms: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_operator(name, arity=1) for name in forms)

    @model_validator(mode="after")
    def _one_way(self) -> FieldSpace:
        if self.search and self.first:
            raise ValueError(
                "every subset of the forms competes, or the first that applies is taken: set one"
            )
        return self


class PairSpace(Strict):
    """What a pair may be, and which pairs are asked.

    among       "all", {"top": K} (the K that explain most of what a network without pairs leaves over, see
                `supernet.screen`), or a list of pairs of names
    options     every option as the list of its operators, from cheap to dear; [] is naive. One option: no search
    """

    among: Annotated[
        Annotated[Literal["all"], Tag("value")]
        | Annotated[dict[Literal["top"], Count], Field(min_length=1), Tag("keys")]
        | Annotated[tuple[tuple[str, str], ...], Tag("list")],
        Discriminator(kind_of),
    ] = "all"
    options: tuple[Forms, ...] = ((),)

    @field_validator("options")
    @classmethod
    def _known(cls, options: tuple[Forms, ...]) -> tuple[Forms, ...]:
        return tuple(tuple(_operator(name, arity=2) for name in forms) for forms in options)

    @property
    def searched(self) -> bool:
        """Whether pairs have a choice at all."""
        return len(self.options) > 1


class ProductSpace(Strict):
    """Products of three fields and more, of which the screen finds those that explain what pairs leave over.

    orders      numbers of fields that are multiplied
    most        products that are selected at most
    dim         columns of every factor
    threshold   standard errors of the screen below which none is selected: it looks at many
    """

    orders: tuple[Annotated[int, Field(ge=3)], ...] = Field(min_length=1)
    most: Count = 8
    dim: Count = 16
    threshold: NonNegative = 5.0


#: How the paths of a supernet are drawn: see `supernet.sampling`.
Sampling = Literal["uniform", "fair", "sandwich"]


class SearchSettings(Strict):
    """How the options are chosen; see `supernet.strategy`."""

    method: Literal["paths", "gumbel", "joint"] = "paths"
    epochs: Count = 6
    learning_rate: Positive = 5e-3
    embedding_l2: NonNegative = 3e-5
    batch_size: Count = 1024
    sampling: Sampling = "uniform"
    #: How widths that have a choice are first found: by trials alone, or learned as slices of one largest weight
    #: (`supernet.entangled`), which gives the trials a place to start.
    sizes: Literal["trials", "entangled"] = "trials"
    #: Standard errors by which an option must gain on held-out rows.
    threshold: NonNegative = 3.0
    #: Standard errors of the screen below which a pair is not opened, and how many pairs are opened at most.
    screen: float = 3.0
    open_pairs: Count = 40
    #: Whole architectures that are then scored by the supernet's weights, and who of `engine` proposes them.
    explore: CountOrNone = 500
    explorer: str = "evolution"


def registered_streams(given: Mapping[str, Any]) -> Streams:
    """Return streams by their registered names, in the order given.

    Raises:
        SearchSpaceError: A stream is unknown, given twice, or has a setting that it does not take.
    """
    found: Streams = {}
    for alias, settings in given.items():
        stream = get_stream(alias)
        if stream.name in found:
            raise SearchSpaceError(
                f"The stream '{stream.name}' is given twice, once as '{alias}'; leave one of them out."
            )
        stream.settings_of(settings)
        found[stream.name] = settings
    return found


def _operator(name: str, *, arity: int) -> str:
    operator = get_operator(name)
    if operator.arity != arity:
        known = [other for other, found in operators().items() if found.arity == arity]
        kind = "field" if arity == 1 else "pair"
        raise SearchSpaceError(f"'{name}' is no operator of a {kind}: {nearest(name, known)}")
    return operator.name
