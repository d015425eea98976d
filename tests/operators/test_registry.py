"""Operators are found by name; a wrong or doubled name says so."""

from __future__ import annotations

from pathlib import Path

import pytest

import autofi.operators
from autofi.core.registry import own_aliases
from autofi.errors import SearchSpaceError
from autofi.operators.cross_network import CrossNetwork
from autofi.operators.embedding import Embedding
from autofi.operators.registry import (
    candidates,
    get_candidate,
    get_operator,
    get_stream,
    operators,
    register,
    registered_name,
)

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

    with pytest.raises(SearchSpaceError, match="name 'embedding': autofi.operators.embedding.Embedding and "):
        register(Other)
    assert get_operator("embedding") is Embedding


def test_a_class_of_the_same_name_elsewhere_is_another_one() -> None:
    twin = type("Embedding", (Embedding,), {"__module__": "elsewhere"})
    with pytest.raises(SearchSpaceError, match="elsewhere.Embedding"):
        register(twin)


def test_the_same_class_may_register_again() -> None:
    assert register(Embedding) is Embedding


def test_a_file_has_the_name_of_the_one_operator_that_it_registers() -> None:
    (folder,) = autofi.operators.__path__
    registering = {path.stem for path in Path(folder).glob("*.py") if "\n@register\n" in path.read_text()}
    files = {name: found.__module__ for name, found in candidates().items()}
    assert files == {name: f"autofi.operators.{name}" for name in registering}


def test_an_alias_finds_what_its_name_finds() -> None:
    assert get_stream("dcnv2") is get_candidate("dcnv2") is get_stream("cross_network") is CrossNetwork
    for name, found in candidates().items():
        assert registered_name(name) == name
        for alias in own_aliases(found):
            assert registered_name(alias) == name and get_candidate(alias) is found
    with pytest.raises(SearchSpaceError, match="No stream named 'autoin': did you mean 'autoint'"):
        get_stream("autoin")
    with pytest.raises(SearchSpaceError, match="No operator named 'dcnv2'"):
        get_operator("dcnv2")


@pytest.mark.parametrize(
    ("name", "aliases", "claimed"),
    [
        ("other", ("embedding",), "'embedding': autofi.operators.embedding.Embedding"),
        ("other", ("more", "dcnv2"), "'dcnv2': autofi.operators.cross_network.CrossNetwork"),
        ("dcnv2", (), "'dcnv2': autofi.operators.cross_network.CrossNetwork"),
    ],
)
def test_a_name_or_an_alias_is_taken_once(name: str, aliases: tuple[str, ...], claimed: str) -> None:
    known = candidates()
    with pytest.raises(SearchSpaceError, match=claimed):
        register(type("Other", (Embedding,), {"name": name, "aliases": aliases}))
    assert candidates() == known
    assert (registered_name("dcnv2"), registered_name("more")) == ("cross_network", "more")


def test_a_subclass_has_none_of_the_aliases() -> None:
    assert own_aliases(CrossNetwork) == ("dcnv2",)
    assert own_aliases(type("Other", (CrossNetwork,), {"name": "other"})) == ()
