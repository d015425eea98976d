"""Every registered operator is tested, sourced and described."""

from __future__ import annotations

from pathlib import Path

import pytest

from autofi.operators.base import Candidate, Operator
from autofi.operators.registry import operators, streams

every_operator = pytest.mark.parametrize(("name", "operator"), [*operators().items(), *streams().items()])


@every_operator
def test_it_has_tests_of_its_own(name: str, operator: type[Candidate]) -> None:
    assert (Path(__file__).parent / f"test_{name}.py").is_file()


@every_operator
def test_it_says_where_it_comes_from_and_what_it_does(name: str, operator: type[Candidate]) -> None:
    assert operator.name == name
    assert operator.source.startswith("https://")
    assert operator.summary and operator.formula.startswith("y")
    assert operator.__doc__
    if issubclass(operator, Operator):
        assert operator.choice in {"field", "memorize", "factorize"}
        assert operator.arity == (1 if operator.choice == "field" else 2)
    else:
        assert operator.choice == "stream"


@every_operator
def test_it_lives_in_a_file_of_its_name(name: str, operator: type[Candidate]) -> None:
    assert operator.__module__ == f"autofi.operators.{name}"
