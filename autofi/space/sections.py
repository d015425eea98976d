"""The sections of a search space: fields, pairs, products of several fields, and the search for options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from autofi.core.validated import Count, CountOrNone, NonNegative, Positive, Strict
from autofi.errors import SearchSpaceError, nearest
from autofi.operators.registry import get_operator, get_stream, operators
from autofi.space.architecture import Forms
from autofi.space.parameters import Choices, kind_of

#: The settings of streams, by name.
Streams = dict[str, dict[str, Any]]


class StreamSets(Choices):
    """A choice among sets of streams; the first is tried first."""

    choices: tuple[Streams, ...] = Field(min_length=1)


class FieldSpace(Strict):
    """The operators of a field: all forms that apply, or with `first` only the first that does.

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
                "search and first are both set; keep search, where all subsets compete, or first"
            )
        return self


class PairSpace(Strict):
    """The options of a pair, and the pairs that are asked about.

    Attributes:
        among: "all", {"top": K} (the K pairs that best explain the residuals of a network without pairs, see
            `supernet.screening`), or a list of pairs of names.
        options: Every option as the list of its operators, from cheap to dear; [] is naive. With one option there is no
            search.
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
        """True where pairs have a choice."""
        return len(self.options) > 1


class ProductSpace(Strict):
    """Products of three or more fields; the screen selects those that explain what pairs leave over.

    Attributes:
        orders: Numbers of fields that are multiplied.
        most: Products that are selected at most.
        dim: Columns of every factor.
        threshold: Standard errors that the screen asks of a product; it is high because the screen looks at many.
    """

    orders: tuple[Annotated[int, Field(ge=3)], ...] = Field(min_length=1)
    most: Count = 8
    dim: Count = 16
    threshold: NonNegative = 5.0


#: The way the paths of a supernet are drawn; see `supernet.path_sampling`.
Sampling = Literal["uniform", "fair", "sandwich"]


class SupernetConfig(Strict):
    """The settings of the search for options; see `supernet.propose`."""

    method: Literal["paths", "gumbel", "joint"] = "paths"
    epochs: Count = 6
    learning_rate: Positive = 5e-3
    embedding_l2: NonNegative = 3e-5
    batch_size: Count = 1024
    sampling: Sampling = "uniform"
    #: The source of the first widths: trials alone, or widths learned as slices of one largest weight
    #: (`supernet.weight_entanglement`), which gives the trials a starting point.
    sizes: Literal["trials", "entangled"] = "trials"
    #: The standard errors by which an option must gain on held-out rows.
    threshold: NonNegative = 3.0
    #: The standard errors that the screen asks of a pair to open it, and the most pairs that are opened.
    screen: float = 3.0
    open_pairs: Count = 40
    #: The number of whole architectures that the supernet's weights then score, and the sampler that proposes them.
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
