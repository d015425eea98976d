"""A search space: what may be chosen, read from YAML; a published model is a space with one point."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import combinations, product
from pathlib import Path
from typing import Annotated, Any, Literal

import xxhash
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from autofi.errors import SearchSpaceError, nearest
from autofi.operators.base import Sizes
from autofi.operators.registry import get_operator, get_stream, operators, vector_operators
from autofi.space.architecture import Forms
from autofi.space.named import named_spaces, space_file


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FloatRange(_Strict):
    """A number between two bounds; `default` is tried first."""

    low: float
    high: float
    log: bool = False
    default: float | None = None

    @model_validator(mode="after")
    def _ordered(self) -> FloatRange:
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError(
                f"a range needs low < high, and low > 0 on a log scale: found {self.low}, {self.high}"
            )
        return self


class Choices(_Strict):
    """One of some values; the first is tried first."""

    choices: tuple[Any, ...] = Field(min_length=1)


#: A fixed value, or what to choose it from.
Choosable = FloatRange | Choices | float | int | str | bool | tuple[int, ...]


#: Streams by name, each with its settings.
Streams = dict[str, dict[str, Any]]


class StreamSets(Choices):
    """One of some sets of streams; the first is tried first."""

    choices: tuple[Streams, ...] = Field(min_length=1)


class FieldSpace(_Strict):
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


class PairSpace(_Strict):
    """What a pair may be, and which pairs are asked.

    among       "all", {"top": K} (the K that explain most of what a network without pairs leaves over, see
                `supernet.screen`), or a list of pairs of names
    options     every option as the list of its operators, from cheap to dear; [] is naive. One option: no search
    """

    among: Literal["all"] | dict[Literal["top"], int] | tuple[tuple[str, str], ...] = "all"
    options: tuple[Forms, ...] = ((),)

    @field_validator("options")
    @classmethod
    def _known(cls, options: tuple[Forms, ...]) -> tuple[Forms, ...]:
        return tuple(tuple(_operator(name, arity=2) for name in forms) for forms in options)

    @property
    def searched(self) -> bool:
        """Whether pairs have a choice at all."""
        return len(self.options) > 1


class ProductSpace(_Strict):
    """Products of three fields and more, of which the screen finds those that explain what pairs leave over.

    orders      numbers of fields that are multiplied
    most        products that are selected at most
    dim         columns of every factor
    threshold   standard errors of the screen below which none is selected: it looks at many
    """

    orders: tuple[Annotated[int, Field(ge=3)], ...] = Field(min_length=1)
    most: Annotated[int, Field(ge=1)] = 8
    dim: Annotated[int, Field(ge=1)] = 16
    threshold: Annotated[float, Field(ge=0)] = 5.0


#: How the paths of a supernet are drawn: see `supernet.sampling`.
Sampling = Literal["uniform", "fair", "sandwich"]


class SearchSettings(_Strict):
    """How the options are chosen; see `supernet.strategy`."""

    method: Literal["paths", "gumbel", "joint"] = "paths"
    epochs: int = Field(default=6, ge=1)
    learning_rate: float = Field(default=5e-3, gt=0)
    embedding_l2: float = Field(default=3e-5, ge=0)
    batch_size: int = Field(default=1024, ge=1)
    sampling: Sampling = "uniform"
    #: How widths that have a choice are first found: by trials alone, or learned as slices of one largest weight
    #: (`supernet.entangled`), which gives the trials a place to start.
    sizes: Literal["trials", "entangled"] = "trials"
    #: Standard errors by which an option must gain on held-out rows.
    threshold: float = Field(default=3.0, ge=0)
    #: Standard errors of the screen below which a pair is not opened, and how many pairs are opened at most.
    screen: float = 3.0
    open_pairs: Annotated[int, Field(ge=1)] = 40
    #: Whole architectures that are then scored by the supernet's weights, and who of `engine` proposes them.
    explore: Annotated[int, Field(ge=0)] = 500
    explorer: str = "evolution"


class SearchSpace(_Strict):
    """Choices and ranges; every scalar may instead be `{choices: [...]}` or `{low:, high:, log:, default:}`."""

    name: str
    summary: str
    source: str = ""
    fields: FieldSpace
    pairs: PairSpace = PairSpace()
    sizes: dict[
        Literal["embedding_dim", "cross_dim", "factor_dim", "unified_rows", "unified_chunks"], Choosable
    ] = {}
    readout: dict[Literal["name", "hidden", "dropout", "batch_norm", "members"], Choosable] = {}
    #: Streams beside the read-out; or `{choices: [...]}` of several such.
    streams: StreamSets | Streams = {}
    products: ProductSpace | None = None
    #: Boosted trees that predict beside the network; 0 leaves: none.
    boosting: dict[Literal["leaves", "learning_rate"], Choosable] = {}
    field_sum: bool = False
    min_count: Choosable = 2
    cross_min_count: Choosable = 2
    #: Rows of all memorized crosses together: above it, the least frequent cells share their pair's row of the unknown.
    cross_max_rows: Annotated[int, Field(ge=1)] | None = None
    training: dict[
        Literal[
            "learning_rate",
            "embedding_l2",
            "factor_l2",
            "weight_decay",
            "gradient_norm",
            "batch_size",
            "epochs",
            "patience",
            "decay",
            "monitor",
            "evaluations",
            "loss",
            "gate_penalty",
            "gate_epochs",
            "gate_learning_rate",
            "gate_temperature",
            "gate_rewind",
        ],
        Choosable,
    ] = {}
    search: SearchSettings = SearchSettings()
    #: Parameters to try after the defaults: by dotted key, and `fields` / `pairs` by the name of a variant.
    starts: tuple[dict[str, Any], ...] = ()

    @field_validator("streams")
    @classmethod
    def _known(cls, given: StreamSets | Streams) -> StreamSets | Streams:
        for streams in given.choices if isinstance(given, StreamSets) else (given,):
            for name, settings in streams.items():
                get_stream(name).settings_of(settings)
        return given

    @model_validator(mode="after")
    def _readable(self) -> SearchSpace:
        if self.streams and not vector_operators() & set(self.fields.forms):
            raise ValueError("streams read the vectors of fields: add 'embedding' to fields.forms")
        if self.readout.get("name") == "none" and not self.streams:
            raise ValueError("readout 'none' leaves the logit to streams: name some, or another read-out")
        for sizes in self._all_sizes():
            for form in self.fields.forms:
                get_operator(form).check_sizes(sizes)
        return self

    def _all_sizes(self) -> Iterator[Sizes]:
        """Whatever sizes may be chosen together."""
        values = [value.choices if isinstance(value, Choices) else (value,) for value in self.sizes.values()]
        for key, offered in zip(self.sizes, values, strict=True):
            for value in offered:
                if type(value) is not int or value < 1:
                    raise ValueError(f"a size is a whole number from 1 on: found {value!r} for '{key}'")
        for chosen in product(*values):
            yield Sizes(**dict(zip(self.sizes, chosen, strict=True)))

    def parameters(self) -> dict[str, FloatRange | Choices]:
        """Everything numeric or named that has a choice, by dotted key, in the order of the file."""
        found: dict[str, FloatRange | Choices] = {}
        for section in ("sizes", "readout", "boosting", "training"):
            for key, value in getattr(self, section).items():
                if isinstance(value, FloatRange | Choices):
                    found[f"{section}.{key}"] = value
        for key in ("streams", "min_count", "cross_min_count"):
            value = getattr(self, key)
            if isinstance(value, FloatRange | Choices):
                found[key] = value
        return found

    def defaults(self) -> dict[str, Any]:
        """The value of every parameter that is tried first."""
        return {key: default_of(value) for key, value in self.parameters().items()}

    def value(self, key: str, chosen: Mapping[str, Any]) -> Any:
        """The value of a dotted key: chosen, else its default, else fixed; None if the file does not name it."""
        section, _, name = key.rpartition(".")
        found = getattr(self, section).get(name) if section else getattr(self, name)
        if isinstance(found, FloatRange | Choices):
            return chosen.get(key, default_of(found))
        return found

    @property
    def single(self) -> bool:
        """Whether the space has one point only."""
        searched = self.fields.search or self.pairs.searched or self.products is not None
        return not searched and not self.parameters()

    def text(self) -> str:
        """The resolved space as JSON: what a study keeps. In the file's own order, which names choices and parameters
        for every worker alike."""
        return json.dumps(self.model_dump(mode="json"))

    def canonical(self) -> str:
        """The same whatever the order: what a fingerprint is of."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True)

    @property
    def fingerprint(self) -> str:
        """32 hexadecimal digits: the same choices, the same fingerprint."""
        return xxhash.xxh3_128_hexdigest(self.canonical().encode())

    def pair_names(self, names: tuple[str, ...]) -> list[tuple[str, str]]:
        """The pairs this space asks about among these fields, in the order of the fields."""
        if not isinstance(self.pairs.among, tuple):
            return list(combinations(names, 2))
        where = {name: position for position, name in enumerate(names)}
        for pair in self.pairs.among:
            for name in pair:
                if name not in where:
                    raise SearchSpaceError(
                        f"Space '{self.name}' lists a pair with '{name}', not a field: {nearest(name, names)}"
                    )
        return [tuple(sorted(pair, key=where.__getitem__)) for pair in self.pairs.among]  # type: ignore[misc]


def default_of(value: FloatRange | Choices) -> Any:
    """What is tried first."""
    if isinstance(value, Choices):
        first = value.choices[0]
        return tuple(first) if isinstance(first, list) else first
    if value.default is not None:
        return value.default
    return (value.low * value.high) ** 0.5 if value.log else (value.low + value.high) / 2


def subsets(forms: Forms) -> tuple[Forms, ...]:
    """Every non-empty subset, small ones first."""
    chosen = [
        tuple(f for f, use in zip(forms, uses, strict=True) if use)
        for uses in product((0, 1), repeat=len(forms))
    ]
    return tuple(sorted((subset for subset in chosen if subset), key=len))


def load_space(text: str | Path) -> SearchSpace:
    """The space of a name (see `space.named`) or of a YAML file; anything wrong names the key."""
    path = Path(text)
    if path.suffix not in {".yaml", ".yml"}:
        return _named(space_file(str(text)))
    if not path.is_file():
        raise SearchSpaceError(
            f"A search space file must exist: found none at '{path}'; check the path or name a space."
        )
    return _read(path)


def load_named_spaces() -> dict[str, SearchSpace]:
    """Every space that has a name; anything wrong names the file and the key."""
    return {name: _named(path) for name, path in named_spaces().items()}


def _named(path: Path) -> SearchSpace:
    space = _read(path)
    if space.name != path.stem:
        raise SearchSpaceError(
            f"Search space '{path}', key 'name': is that of its file, '{path.stem}'; found '{space.name}'."
        )
    return space


def _read(path: Path) -> SearchSpace:
    try:
        return SearchSpace.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        raise SearchSpaceError(
            f"A search space is YAML: '{path}' is not ({' '.join(str(error).split())})."
        ) from error
    except SearchSpaceError as error:
        raise type(error)(f"Search space '{path}': {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the file"
        raise SearchSpaceError(
            f"Search space '{path}', key '{key}': {first['msg']}; found {first['input']!r:.80}."
        ) from error


def _operator(name: str, *, arity: int) -> str:
    operator = get_operator(name)
    if operator.arity != arity:
        known = [other for other, found in operators().items() if found.arity == arity]
        kind = "field" if arity == 1 else "pair"
        raise SearchSpaceError(f"'{name}' is no operator of a {kind}: {nearest(name, known)}")
    return operator.name
