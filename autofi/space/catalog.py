"""Records of the built-in search spaces and the registered operators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import torch
from pydantic import TypeAdapter
from torch.utils.flop_counter import FlopCounterMode

from autofi.core.registry import own_aliases
from autofi.data.features import Column, Features
from autofi.operators.base import Candidate, Operator, Shapes, Sizes
from autofi.operators.registry import candidates, get_candidate
from autofi.operators.streams import Stream, StreamInputs
from autofi.space.load import load_named_spaces
from autofi.space.parameters import Choices, FloatRange
from autofi.space.renamed_keys import current_key

#: The reference table for an operator's cost: ten fields of a thousand values, crosses of ten thousand cells.
FIELDS, VALUES, CELLS = 10, 1_000, 10_000


@dataclass(frozen=True)
class SpaceInfo:
    """One built-in search space.

    Attributes:
        kind: Tells whether there is anything to search.
        ranges: The choices of the space.
        differs: Departures from the space's source.
    """

    name: str
    kind: str
    summary: str
    ranges: str
    source: str
    differs: str = ""


@dataclass(frozen=True)
class OperatorInfo:
    """One registered operator.

    Attributes:
        choice: The choice that it is a form of.
        parameters: Parameters for ten fields of 1,000 values or all their pairs, at default settings and widths.
        products: Multiplications of its matrix products for one row of that table.
        settings: Settings that a space may change, with bounds and default.
        differs: Departures from its source; empty if there are none.
        aliases: Other names that a space may give it by.
    """

    name: str
    choice: str
    summary: str
    formula: str
    parameters: int
    products: int
    settings: str
    source: str
    differs: str = ""
    aliases: tuple[str, ...] = ()


def list_spaces() -> tuple[SpaceInfo, ...]:
    """Return every named search space."""
    return tuple(
        SpaceInfo(
            space.name,
            "one point" if space.single else "search",
            space.summary,
            "; ".join(f"{current_key(key)}: {_range(value)}" for key, value in space.parameters().items()),
            space.source,
            space.differs,
        )
        for space in load_named_spaces().values()
    )


def list_operators(*names: str) -> tuple[OperatorInfo, ...]:
    """Return every registered operator, then every stream; or those of some names.

    Args:
        names: Registered names or aliases.

    Raises:
        SearchSpaceError: There is none of such a name.
    """
    chosen = map(get_candidate, names) if names else candidates().values()
    return tuple(_operator_info(one) if issubclass(one, Operator) else _stream_info(one) for one in chosen)


def _operator_info(operator: type[Operator]) -> OperatorInfo:
    shapes, features = _reference()
    slots: list[Column] = [(field,) for field in range(FIELDS)]
    if operator.arity == 2:
        slots = list(combinations(range(FIELDS), 2))
    with torch.random.fork_rng(devices=[]):
        built = operator(slots, shapes, Sizes()).eval()
    products = _products(built, built.select(features))
    parameters = operator.num_parameters(slots, shapes, Sizes())
    return _info(operator, parameters, products, "")


def _stream_info(stream: type[Stream]) -> OperatorInfo:
    dim = Sizes().embedding_dim
    inputs = StreamInputs(tuple(f"field_{field}" for field in range(FIELDS)), (VALUES,) * FIELDS, dim)
    settings = stream.settings_of({})
    with torch.random.fork_rng(devices=[]):
        built = stream(inputs, settings).eval()
    codes = torch.zeros(1, FIELDS, dtype=torch.int32)
    products = _products(built, torch.zeros(1, FIELDS, dim), codes)
    return _info(stream, stream.num_parameters(inputs, settings), products, _settings(stream))


def _info(candidate: type[Candidate], parameters: int, products: int, settings: str) -> OperatorInfo:
    return OperatorInfo(
        candidate.name,
        candidate.choice,
        candidate.summary,
        candidate.formula,
        parameters,
        products,
        settings,
        candidate.source,
        candidate.differs,
        own_aliases(candidate),
    )


@torch.no_grad()
def _products(built: Candidate, *inputs: torch.Tensor) -> int:
    with FlopCounterMode(display=False) as counter:
        built(*inputs)
    return int(counter.get_total_flops()) // 2  # a multiplication and an addition each


def _reference() -> tuple[Shapes, Features]:
    """Return one row of ten fields, each of which is a value, a number and a list at once."""
    names = tuple(f"field_{field}" for field in range(FIELDS))
    pairs = tuple(combinations(range(FIELDS), 2))
    columns: tuple[Column, ...] = (*((field,) for field in range(FIELDS)), *pairs)
    shapes = Shapes(
        names=names,
        cardinalities=(VALUES,) * FIELDS,
        kept=(VALUES,) * FIELDS,
        prior=0.2,
        number_fields=tuple(range(FIELDS)),
        number_bins=(32,) * FIELDS,
        bags={field: (name, VALUES) for field, name in enumerate(names)},
        cross_rows=dict.fromkeys(pairs, CELLS),
        log_counts=dict.fromkeys(columns, (1.0, 1.0)),
        counts=(np.ones(VALUES, dtype=np.int64),) * FIELDS,
    )
    features = Features(
        ids=np.zeros((1, FIELDS), dtype=np.int32),
        numbers=np.zeros((1, FIELDS), dtype=np.float32),
        bags=dict.fromkeys(names, np.zeros((1, 1), dtype=np.int32)),
        pairs=pairs,
        crosses=np.zeros((1, len(pairs)), dtype=np.int32),
        columns=columns,
        statistics=np.zeros((1, len(columns), 2), dtype=np.float32),
    )
    return shapes, features


def _settings(stream: type[Stream]) -> str:
    """Return settings such as `layers: integer ≥ 1 = 3`, separated by commas, from their JSON schema."""
    schema = TypeAdapter(stream.Settings).json_schema()
    return "; ".join(
        f"{name}: {_kind(value)} = {_short(value.get('default'))}"
        for name, value in schema.get("properties", {}).items()
    )


def _kind(schema: Mapping[str, Any]) -> str:
    """Return the type of a value in words, from its JSON schema."""
    if "enum" in schema:
        return " | ".join(map(_short, schema["enum"]))
    if "const" in schema:
        return _short(schema["const"])
    if "anyOf" in schema:
        return " | ".join(map(_kind, schema["anyOf"]))
    if schema.get("type") == "array":
        few = f"≥ {schema['minItems']} " if "minItems" in schema else ""
        return f"list of {few}{_kind(schema.get('items', {}))}"
    words = [str(schema.get("type", "any"))]
    for key, word in (
        ("minimum", "≥"),
        ("exclusiveMinimum", ">"),
        ("maximum", "≤"),
        ("exclusiveMaximum", "<"),
    ):
        if key in schema:
            words.append(f"{word} {schema[key]:g}")
    return " ".join(words)


def _range(value: FloatRange | Choices) -> str:
    if isinstance(value, Choices):
        return " | ".join(map(_short, value.choices))
    return f"{value.low:g} to {value.high:g}{' (log)' if value.log else ''}"


def _short(value: Any) -> str:
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_short, value))}]"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_short(item)}".strip() for key, item in value.items()) or "none"
    return str(value)
