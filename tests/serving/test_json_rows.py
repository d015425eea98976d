"""JSON rows are scored as the predictor scores each of them alone, or refused with row and field."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from autofi import Predictor
from tests.serving.servers import TOLERANCE, Row, expected, rows_of

TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    st.sampled_from(["1", "4", "4.0", "nan", "inf", "true", "city_47", "a|b", "|", " 4 "]),
)
INTEGERS = st.one_of(st.integers(-3, 30), st.integers(-(2**63), 2**63 - 1))
FLOATS = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([4.0, -0.0, 1e300, 0.5]))
SINGLE = st.one_of(st.none(), st.booleans(), INTEGERS, FLOATS, TEXTS)
VALUES = {
    "categorical": SINGLE,
    "numeric": st.one_of(st.none(), st.booleans(), INTEGERS, FLOATS),
    # The tokens of a list have one type in Arrow, by which the expected probability is found.
    "multi_valued": st.one_of(
        SINGLE, *(st.lists(st.one_of(st.none(), kind), max_size=4) for kind in (TEXTS, INTEGERS, FLOATS))
    ),
}


def ask(client: httpx.Client, document: Any) -> httpx.Response:
    # Unlike the client's own, this encoder also writes what JSON has not.
    return client.post("/predict", content=json.dumps(document), headers={"Content-Type": "application/json"})


def probabilities(client: httpx.Client, rows: list[Row]) -> np.ndarray:
    answer = ask(client, {"rows": rows})
    assert answer.status_code == 200, answer.text
    return np.array(answer.json()["probabilities"])


def groups(found: np.ndarray) -> list[int]:
    """For every probability the number of the first it equals, but for rounding, among the different ones."""
    different: list[float] = []
    numbers = []
    for value in found:
        near = [number for number, other in enumerate(different) if abs(value - other) < TOLERANCE]
        if not near:
            different.append(value)
        numbers.append(near[0] if near else len(different) - 1)
    return numbers


def test_rows_have_the_probabilities_of_the_predictor(client: httpx.Client, predictor: Predictor) -> None:
    rows = rows_of(30)
    found = probabilities(client, rows)
    assert np.unique(found.round(4)).size > 20
    np.testing.assert_allclose(found, expected(predictor, rows), rtol=0, atol=TOLERANCE)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(data=st.data())
def test_any_values_have_the_probabilities_of_the_predictor(
    client: httpx.Client, predictor: Predictor, data: st.DataObject
) -> None:
    fields = {field.name: VALUES[field.kind] for field in predictor.schema.fields}
    row = st.fixed_dictionaries({"hour": fields.pop("hour")}, optional=fields)
    rows = data.draw(st.lists(row, min_size=1, max_size=4))
    np.testing.assert_allclose(
        probabilities(client, rows), expected(predictor, rows), rtol=0, atol=TOLERANCE, err_msg=repr(rows)
    )


def test_one_value_in_several_spellings_is_one_value(client: httpx.Client) -> None:
    mixed = [{"hour": hour} for hour in (4, "4", 4.0, None, True, 7)]
    found = probabilities(client, mixed)
    assert groups(found) == [0, 0, 0, 1, 2, 3]
    huge = probabilities(client, [{"city": 2**64}, {"city": str(2**64)}, {"city": 10**400}])
    assert groups(huge) == [0, 0, 0]


def test_what_is_left_out_is_missing_and_further_keys_do_not_matter(client: httpx.Client) -> None:
    found = probabilities(
        client,
        [
            {"city": "city_47"},
            {"city": "city_47", "price": None, "tags": []},
            {"city": "city_47", "x": {"y": 1}},
        ],
    )
    assert groups(found) == [0, 0, 0]


def test_tags_are_the_same_as_text_and_as_a_list(client: httpx.Client) -> None:
    found = probabilities(
        client, [{"tags": "a|b"}, {"tags": ["a", "b"]}, {"tags": ["a", None, "", "b"]}, {"tags": ["b"]}]
    )
    assert groups(found) == [0, 0, 0, 1]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([{"city": "x"}, {"price": "cheap"}], "Row 2: field 'price' is .*; send a finite number"),
        ([{"price": "1.5 EUR"}], 'is "1.5 EUR"; send'),
        ([{"price": [1]}], "is a list; send"),
        ([{"price": 10**400}], "Row 1: field 'price' is .*; send a finite number"),
        ([{"price": 1e999}], "JSON has no Infinity"),
        ([{"price": float("nan")}], "JSON has no NaN"),
        (
            [{"city": {"a": 1}}],
            "Row 1: field 'city' is an object; send a text, a number, true, false or null",
        ),
        ([{"city": ["a"]}], "is a list; send"),
        ([{"tags": "a"}, {"tags": ["a", ["b"]]}], "Row 2: field 'tags' is a list"),
        ([{"tags": [{}]}], "is an object; send"),
        ([{"tags": {}}], "is an object; send"),
        ([{"city": "\ud800"}], "half of a surrogate pair"),
        ([{"city": "a"}, 5], "Row 2 is 5, not an object"),
        ([{"city": "a"}, {}], "Row 2 is empty; send at least one of the fields hour, city"),
        ([{"citty": "a"}], "first key is 'citty'; did you mean 'city'"),
        ([], "'rows' is empty"),
        ({"city": "a"}, "'rows' is an object, not a list of objects"),
        (None, "'rows' is null"),
        ([{"price": "x" * 1000}], 'is "x{50,60}\\.\\.\\.; send'),
    ],
)
def test_rows_that_cannot_be_scored_are_refused(client: httpx.Client, rows: Any, told: str) -> None:
    answer = ask(client, {"rows": rows})
    assert answer.status_code == 400
    assert list(answer.json()) == ["error"]
    (line,) = answer.json()["error"].splitlines()
    assert re.search(told, line), line


@pytest.mark.parametrize("document", [[], 5, None, {"row": []}, {"rows": [{"city": 1}], "id": "x"}, "rows"])
def test_other_documents_than_rows_are_refused(client: httpx.Client, document: Any) -> None:
    answer = ask(client, document)
    assert answer.status_code == 400
    assert 'send {"rows": [{field: value, ...}, ...]}' in answer.json()["error"]


def test_more_rows_than_allowed_are_refused(client: httpx.Client) -> None:
    assert len(probabilities(client, [{"city": "a"}] * 200)) == 200
    answer = ask(client, {"rows": [{"city": "a"}] * 201})
    assert (answer.status_code, answer.json()["error"]) == (
        413,
        "The request has 201 rows, and 200 is the limit; send several requests.",
    )
