"""What there is: the built-in search spaces and the registered operators, as plain records."""

from __future__ import annotations

from dataclasses import dataclass

from autofi.operators.base import Candidate
from autofi.operators.registry import operators, streams
from autofi.space.builtin import builtin_spaces
from autofi.space.search_space import load_space


@dataclass(frozen=True)
class SpaceInfo:
    """One built-in search space; `kind` says whether there is anything to search."""

    name: str
    kind: str
    summary: str
    source: str


@dataclass(frozen=True)
class OperatorInfo:
    """One registered operator; `choice` is what it is a form of."""

    name: str
    choice: str
    summary: str
    formula: str
    source: str


def list_spaces() -> tuple[SpaceInfo, ...]:
    """Every built-in search space."""
    found = [load_space(path) for path in builtin_spaces().values()]
    return tuple(
        SpaceInfo(space.name, "one point" if space.single else "search", space.summary, space.source)
        for space in found
    )


def list_operators() -> tuple[OperatorInfo, ...]:
    """Every registered operator, and every stream."""
    known: dict[str, type[Candidate]] = {**operators(), **streams()}
    return tuple(
        OperatorInfo(name, operator.choice, operator.summary, operator.formula, operator.source)
        for name, operator in known.items()
    )
