"""The catalog tells what the registry holds, at what cost and within what bounds."""

from __future__ import annotations

import pytest

from autofi.errors import SearchSpaceError
from autofi.operators.registry import operators, streams
from autofi.space.builtin import builtin_spaces
from autofi.space.catalog import FIELDS, VALUES, OperatorInfo, list_operators, list_spaces

Found = dict[str, OperatorInfo]


@pytest.fixture(scope="module")
def found() -> Found:
    return {record.name: record for record in list_operators()}


def test_everything_registered_is_listed(found: Found) -> None:
    assert list(found) == [*operators(), *streams()]
    assert [space.name for space in list_spaces()] == list(builtin_spaces())


@pytest.mark.parametrize(
    ("name", "parameters", "products"),
    [
        ("embedding", FIELDS * VALUES * 8, 0),
        ("linear", FIELDS * VALUES, 0),
        # Three full layers of 80 columns, and a linear map.
        ("cross_network", 3 * (80 * 80 + 80) + 80, 3 * 80 * 80 + 80),
    ],
)
def test_costs_are_those_of_ten_fields(found: Found, name: str, parameters: int, products: int) -> None:
    assert (found[name].parameters, found[name].products) == (parameters, products)


def test_some_are_listed_by_name_or_alias(found: Found) -> None:
    assert list_operators("dcnv2", "bag") == (found["cross_network"], found["bag"])
    assert found["cross_network"].aliases == ("dcnv2",)
    assert found["fm"].aliases == ()
    with pytest.raises(SearchSpaceError, match="No operator named 'dcnv3': did you mean 'dcnv2'"):
        list_operators("dcnv3")


def test_settings_are_told_with_bounds_and_defaults(found: Found) -> None:
    assert found["cross_network"].settings == "layers: integer ≥ 1 = 3; rank: integer ≥ 0 = 0"
    assert "dropout: number ≥ 0 < 1 = 0.0" in found["self_attention"].settings
    assert "first: list of ≥ 1 integer ≥ 1 = [400]" in found["two_streams"].settings
    assert found["fm"].settings == ""


def test_ranges_are_what_a_space_searches() -> None:
    spaces = {space.name: space for space in list_spaces()}
    assert "training.embedding_l2: 1e-05 to 0.1 (log)" in spaces["optinter"].ranges
    assert "head.ensemble: 8 | 1" in spaces["optinter"].ranges
    assert (spaces["fm"].kind, spaces["fm"].ranges) == ("one point", "")
