"""The bytes and parameters of a trained network by field, by cross and by operator."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from pydantic import TypeAdapter
from torch import nn

from autofi.data.feature_builder import FeatureBuilder
from autofi.evaluation.preprocessing_bytes import FittedCost, fitted_costs
from autofi.model.network import Network
from autofi.operators.base import Candidate

#: The name for weights that belong to no operator and no stream.
HEAD = "head"
#: The same in records of earlier versions.
_READOUT = "readout"


@dataclass(frozen=True)
class TableCost:
    """Rows of a lookup table of `operator` (or stream) for one field, one cross, or all the fields that share them.

    Attributes:
        full_rows: Rows before gates were closed; `rows` without gates.
    """

    operator: str
    fields: tuple[str, ...]
    rows: int
    full_rows: int
    parameters: int
    bytes: int


@dataclass(frozen=True)
class WeightCost:
    """The weights of an operator, a stream or the head outside lookup tables."""

    operator: str
    parameters: int
    bytes: int


@dataclass(frozen=True)
class CostBreakdown:
    """The parts that add up to `evaluation.cost.Costs` of the same network.

    Attributes:
        trees_bytes: Bytes of boosted trees that have a weight, in their saved form.
    """

    tables: tuple[TableCost, ...]
    weights: tuple[WeightCost, ...]
    trees_bytes: int
    fitted: tuple[FittedCost, ...]

    @property
    def trained_bytes(self) -> int:
        """Bytes of lookup tables and trees; the `table_bytes` of earlier versions."""
        return self.trees_bytes + sum(table.bytes for table in self.tables)

    @property
    def fitted_bytes(self) -> int:
        """Bytes of vocabularies, crosses, target encodings and positions."""
        return sum(part.bytes for part in self.fitted)

    @property
    def table_bytes(self) -> int:
        return self.trained_bytes + self.fitted_bytes

    @property
    def parameters(self) -> int:
        return sum(table.parameters for table in self.tables) + sum(part.parameters for part in self.weights)

    @property
    def gated(self) -> tuple[TableCost, ...]:
        """The tables from which closed gates removed rows."""
        return tuple(table for table in self.tables if table.rows < table.full_rows)

    def by_fields(self) -> dict[tuple[str, ...], TableCost]:
        """Return tables summed over operators, the largest first.

        A field is under its name alone, a cross under both names; `operator` names all operators.
        """
        found: dict[tuple[str, ...], TableCost] = {}
        for table in self.tables:
            known = found.get(table.fields)
            found[table.fields] = table if known is None else _sum(known, table)
        return dict(sorted(found.items(), key=lambda item: -item[1].bytes))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, payload: Mapping[str, Any]) -> Self:
        """Return the breakdown that `to_json` wrote, also after a round trip through JSON."""
        weights = [
            {**part, "operator": HEAD} if part["operator"] == _READOUT else part
            for part in payload["weights"]
        ]
        return TypeAdapter(cls).validate_python({**payload, "weights": weights})


def break_down(network: Network, builder: FeatureBuilder) -> CostBreakdown:
    """Return the costs of a trained network and of the builder of exactly the features it reads."""
    candidates = {**network.operators, **network.streams}
    tables: list[TableCost] = []
    weights = []
    for name, candidate in candidates.items():
        assert isinstance(candidate, Candidate)
        tables += _tables(name, candidate)
        weights.append(_weights(name, candidate, candidate.tables()))
    weights.append(_weights(HEAD, network.head, ()))
    trees = builder.boosted if network.boosted else None
    return CostBreakdown(
        tables=tuple(tables),
        weights=tuple(part for part in weights if part.parameters),
        trees_bytes=0 if trees is None else trees.nbytes,
        fitted=fitted_costs(network, builder),
    )


def _tables(name: str, candidate: Candidate) -> Iterable[TableCost]:
    for table in candidate.tables():
        row = table[:1].numel() if len(table) else 0
        for block in candidate.table_blocks():
            parameters = block.rows * row
            yield TableCost(
                operator=name,
                fields=block.fields,
                rows=block.rows,
                full_rows=block.full,
                parameters=parameters,
                bytes=parameters * table.element_size(),
            )


def _weights(name: str, module: nn.Module, tables: Iterable[nn.Parameter]) -> WeightCost:
    known = {id(table) for table in tables}
    found = [parameter for parameter in module.parameters() if id(parameter) not in known]
    return WeightCost(
        operator=name,
        parameters=sum(parameter.numel() for parameter in found),
        bytes=sum(parameter.numel() * parameter.element_size() for parameter in found),
    )


def _sum(first: TableCost, second: TableCost) -> TableCost:
    return TableCost(
        operator=f"{first.operator}, {second.operator}",
        fields=first.fields,
        rows=first.rows + second.rows,
        full_rows=first.full_rows + second.full_rows,
        parameters=first.parameters + second.parameters,
        bytes=first.bytes + second.bytes,
    )
