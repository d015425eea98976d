"""A search space, read from YAML; a published model is a space with one point."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import partial
from itertools import combinations, product
from typing import Annotated, Any

import xxhash
from pydantic import Discriminator, Field, Tag, ValidationInfo, field_validator, model_validator

from autofi.core.validated import Count, Strict, read_settings
from autofi.data.boosted_trees import Boosting
from autofi.errors import SearchSpaceError, nearest
from autofi.operators.base import Sizes
from autofi.operators.registry import get_operator, registered_name, vector_operators
from autofi.space.architecture import Forms
from autofi.space.head_config import HeadSizes
from autofi.space.initial_trials import check_starts
from autofi.space.parameters import Choices, Choosable, FloatRange, default_of, kind_of, read_each, values_of
from autofi.space.renamed_keys import (
    current_key,
    start_as_stored,
    stored_key,
    with_current_keys,
    with_stored_keys,
)
from autofi.space.sections import (
    FieldSpace,
    PairSpace,
    ProductSpace,
    Streams,
    StreamSets,
    SupernetConfig,
    registered_streams,
)
from autofi.space.training_config import TrainingSettings

#: The classes that sections of the file set.
SECTIONS = {
    "sizes": Sizes,
    "head": HeadSizes,
    "boosting": Boosting,
    "training": TrainingSettings,
}


@dataclass(frozen=True)
class RareCells:
    """The training rows that a value, or a memorized cross, needs for a row of its own."""

    min_count: Count = 2
    cross_min_count: Count = 2


#: The keys with choices outside the sections, and all keys with choices.
_UNSECTIONED = ("streams", "min_count", "cross_min_count")
_PARAMETERS = {
    stored_key(f"{section}.{field.name}") for section, kind in SECTIONS.items() for field in fields(kind)
}.union(_UNSECTIONED)


class SearchSpace(Strict):
    """Choices and ranges; every scalar may instead be `{choices: [...]}` or `{low:, high:, log:, default:}`."""

    name: str
    summary: str
    source: str = ""
    #: Departures from the source, for people: not a choice, so not part of the fingerprint.
    differs: str = ""
    fields: FieldSpace
    pairs: PairSpace = PairSpace()
    sizes: dict[str, Choosable] = Field(default_factory=dict)
    head: dict[str, Choosable] = Field(default_factory=dict)
    #: Streams besides the head; or `{choices: [...]}` of several such sets.
    streams: Annotated[
        Annotated[StreamSets, Tag("choices")] | Annotated[Streams, Tag("keys")], Discriminator(kind_of)
    ] = Field(default_factory=dict)
    products: ProductSpace | None = None
    #: Boosted trees that predict together with the network; 0 leaves: none.
    boosting: dict[str, Choosable] = Field(default_factory=dict)
    field_sum: bool = False
    min_count: Choosable = 2
    cross_min_count: Choosable = 2
    #: Rows of all memorized crosses together: above it, the least frequent cells share their pair's unknown row.
    cross_max_rows: Count | None = None
    training: dict[str, Choosable] = Field(default_factory=dict)
    search: SupernetConfig = SupernetConfig()
    #: Parameters to try after the defaults: by dotted key, and `fields`, `pairs` and `products` by the name of a
    #: variant. A parameter that this space fixes keeps its value.
    starts: tuple[dict[str, Any], ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _by_current_keys(cls, given: Any) -> Any:
        return with_current_keys(given)

    @field_validator(*SECTIONS)
    @classmethod
    def _within_bounds(cls, given: dict[str, Choosable], info: ValidationInfo) -> dict[str, Choosable]:
        section = str(info.field_name)
        read = partial(_read, SECTIONS[section], f"The section '{section}'")
        return {
            key: read_each(offered, partial(read, key), f"{section}.{key}") for key, offered in given.items()
        }

    @field_validator("min_count", "cross_min_count")
    @classmethod
    def _counted(cls, given: Choosable, info: ValidationInfo) -> Any:
        key = str(info.field_name)
        return read_each(given, partial(_read, RareCells, "A space", key), key)

    @field_validator("streams")
    @classmethod
    def _known(cls, given: StreamSets | Streams) -> StreamSets | Streams:
        if isinstance(given, StreamSets):
            return StreamSets(choices=tuple(map(registered_streams, given.choices)))
        return registered_streams(given)

    @field_validator("starts")
    @classmethod
    def _by_registered_names(cls, given: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
        return tuple(
            {**start, "streams": {registered_name(name): value for name, value in start["streams"].items()}}
            if isinstance(start.get("streams"), Mapping)
            else start
            for start in map(start_as_stored, given)
        )

    @model_validator(mode="after")
    def _readable(self) -> SearchSpace:
        if self.streams and not vector_operators() & set(self.fields.forms):
            raise ValueError(
                "streams are set, but no field has a vector to read; add 'embedding' to fields.forms"
            )
        if self.head.get("name") == "none" and not self.streams:
            raise ValueError("head is 'none' and no stream gives a logit; name some streams, or another head")
        for sizes in self._all_sizes():
            for form in self.fields.forms:
                get_operator(form).check_sizes(sizes)
        return self

    @model_validator(mode="after")
    def _rewound_to_an_epoch(self) -> SearchSpace:
        of_gates = TrainingSettings()
        last = max(values_of(self.training.get("gate_rewind", of_gates.gate_rewind)))
        epochs = min(values_of(self.training.get("gate_epochs", of_gates.gate_epochs)))
        if last >= epochs:
            raise SearchSpaceError(
                f"training.gate_rewind is {last}, but there are {epochs} epochs of gates, from 0 on; change one of "
                "them."
            )
        return self

    @model_validator(mode="after")
    def _startable(self) -> SearchSpace:
        check_starts(self.starts, self.parameters(), _PARAMETERS)
        return self

    def _all_sizes(self) -> Iterator[Sizes]:
        """Yield all sizes that may be chosen together."""
        values = map(values_of, self.sizes.values())
        for chosen in product(*values):
            yield Sizes(**dict(zip(self.sizes, chosen, strict=True)))

    def parameters(self) -> dict[str, FloatRange | Choices]:
        """Return every parameter with a choice, by dotted key, in the order of the file."""
        found: dict[str, FloatRange | Choices] = {}
        for section in SECTIONS:
            for key, value in getattr(self, section).items():
                if isinstance(value, FloatRange | Choices):
                    found[stored_key(f"{section}.{key}")] = value
        for key in _UNSECTIONED:
            value = getattr(self, key)
            if isinstance(value, FloatRange | Choices):
                found[key] = value
        return found

    def defaults(self) -> dict[str, Any]:
        """Return the value of every parameter that is tried first."""
        return {key: default_of(value) for key, value in self.parameters().items()}

    def value(self, key: str, chosen: Mapping[str, Any]) -> Any:
        """Return the value of a dotted key: chosen, else its default, else fixed; None if the file does not name it."""
        section, _, name = current_key(key).rpartition(".")
        found = getattr(self, section).get(name) if section else getattr(self, name)
        if isinstance(found, FloatRange | Choices):
            return chosen.get(stored_key(key), default_of(found))
        return found

    @property
    def single(self) -> bool:
        """True where the space has only one point."""
        searched = self.fields.search or self.pairs.searched or self.products is not None
        return not searched and not self.parameters()

    def text(self) -> str:
        """Return the resolved space as JSON, as a study keeps it.

        It keeps the file's order, which names choices and parameters alike for every worker.
        """
        return json.dumps(with_stored_keys(self.model_dump(mode="json")))

    def canonical(self) -> str:
        """Return the JSON of the fingerprint, which does not depend on the order of keys."""
        return json.dumps(with_stored_keys(self.model_dump(mode="json", exclude={"differs"})), sort_keys=True)

    @property
    def fingerprint(self) -> str:
        """The fingerprint as 32 hexadecimal digits, which are equal for equal choices."""
        return xxhash.xxh3_128_hexdigest(self.canonical().encode())

    def pair_names(self, names: tuple[str, ...]) -> list[tuple[str, str]]:
        """Return the pairs of these fields that this space asks about, in the order of the fields."""
        if not isinstance(self.pairs.among, tuple):
            return list(combinations(names, 2))
        where = {name: position for position, name in enumerate(names)}
        for pair in self.pairs.among:
            for name in pair:
                if name not in where:
                    raise SearchSpaceError(
                        f"Space '{self.name}' lists a pair with '{name}', which is no field: {nearest(name, names)}"
                    )
        return [tuple(sorted(pair, key=where.__getitem__)) for pair in self.pairs.among]  # type: ignore[misc]


def _read(kind: type[Any], owner: str, key: str, value: Any) -> Any:
    """Return a single setting of a dataclass as that class reads it."""
    return getattr(read_settings(kind, {key: value}, owner), key)


def subsets(forms: Forms) -> tuple[Forms, ...]:
    """Return every non-empty subset, small ones first."""
    chosen = [
        tuple(f for f, use in zip(forms, uses, strict=True) if use)
        for uses in product((0, 1), repeat=len(forms))
    ]
    return tuple(sorted((subset for subset in chosen if subset), key=len))
