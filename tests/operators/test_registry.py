"""Operators are found by name; a wrong or doubled name says so."""

from __future__ import annotations

import pytest

from autofi.errors import SearchSpaceError
from autofi.operators.embedding import Embedding
from autofi.operators.registry import get_operator, operators, register

FIELD = {"bag", "embedding", "periodic", "piecewise_linear", "statistics"}
MEMORIZE = {"memorize_embedding", "memorize_statistics"}
FACTORIZE = {"factorize_hadamard", "factorize_inner"}


def test_all_operators_by_name_in_order() -> None:
    assert list(operators()) == sorted(operators())
    assert set(operators()) >= FIELD | MEMORIZE | FACTORIZE
    assert get_operator("embedding") is Embedding
    for choice, names in (("field", FIELD), ("memorize", MEMORIZE), ("factorize", FACTORIZE)):
        assert {get_operator(name).choice for name in names} == {choice}


def test_an_unknown_name_gives_the_nearest() -> None:
    with pytest.raises(SearchSpaceError, match="No operator named 'embeding': did you mean 'embedding'"):
        get_operator("embeding")


def test_a_name_is_taken_once() -> None:
    class Other(Embedding):
        pass

    with pytest.raises(
        SearchSpaceError, match="'embedding' is claimed by autofi.operators.embedding.Embedding"
    ):
        register(Other)
    assert get_operator("embedding") is Embedding


def test_a_class_of_the_same_name_elsewhere_is_another_one() -> None:
    twin = type("Embedding", (Embedding,), {"__module__": "elsewhere"})
    with pytest.raises(SearchSpaceError, match="elsewhere.Embedding"):
        register(twin)


def test_the_same_class_may_register_again() -> None:
    assert register(Embedding) is Embedding
