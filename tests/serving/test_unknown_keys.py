"""Keys of rows that are no field of the model are told, and refused where they look like one that is missing."""

from __future__ import annotations

import time

import httpx
import pytest

from autofi.data.schema import Field, FieldKind, Schema
from autofi.serving.app import create_app
from autofi.serving.limits import Limits
from autofi.serving.refusal import RequestError
from autofi.serving.served_model import ServedModel
from autofi.serving.unknown_keys import MOST_KEYS, ignored_keys
from tests.serving.servers import running

SCHEMA = Schema(
    (
        Field("age", FieldKind.CATEGORICAL),
        Field("user_id", FieldKind.CATEGORICAL),
        Field("price1", FieldKind.NUMERIC),
    ),
    target="click",
)
WHOLE = {"age": 1, "user_id": 2, "price1": 0.5}


@pytest.mark.parametrize(
    ("key", "field"),
    [("agee", "age"), ("Age", "age"), ("aeg", "age"), ("user-id", "user_id"), ("usr_id", "user_id")],
)
def test_a_mistyped_key_is_refused_where_its_field_is_missing(key: str, field: str) -> None:
    row = {(key if name == field else name): value for name, value in WHOLE.items()}
    with pytest.raises(
        RequestError, match=f"Row 2 has '{key}' and no '{field}': did you mean '{field}'"
    ) as refused:
        ignored_keys([WHOLE, row], SCHEMA, strict=False)
    assert refused.value.status == 400
    assert ignored_keys([row | {field: None}], SCHEMA, strict=False) == [
        key
    ]  # said to be missing: no mistake
    assert ignored_keys([WHOLE | {key: 1}, {field: 1}], SCHEMA, strict=False) == [key]


@pytest.mark.parametrize("key", ["price2", "user_age", "session", "", "é" * 1000])
def test_other_keys_are_told(key: str) -> None:
    told = ignored_keys([{key: 1, "age": 3}, {key: 2, "age": 3, "b": 1}], SCHEMA, strict=False)
    assert len(told[0]) <= 60 and told[1] == "b"


def test_strict_refuses_every_other_key() -> None:
    with pytest.raises(
        RequestError,
        match="Row 2 has 'session', which is not a field of the model; Known: age, price1, user_id",
    ):
        ignored_keys([WHOLE, WHOLE | {"session": 1}], SCHEMA, strict=True)
    assert ignored_keys([WHOLE, {"age": 1}], SCHEMA, strict=True) == []


def test_many_crafted_keys_cost_little() -> None:
    row = {f"user_i{'d' * (number % 4)}_{number}": 1 for number in range(200_000)} | WHOLE
    begun = time.process_time()
    assert len(ignored_keys([row], SCHEMA, strict=False)) == MOST_KEYS
    assert time.process_time() - begun < 2


def test_the_answer_tells_them(client: httpx.Client, served: ServedModel) -> None:
    plain = client.post("/predict", json={"rows": [{"city": "Rome"}]}).json()
    assert "ignored" not in plain
    told = client.post(
        "/predict", json={"rows": [{"city": "Rome", "session": 7}, {"hour": 3, "page": None}]}
    ).json()
    assert told["ignored"] == ["session", "page"]
    assert told["probabilities"][0] == pytest.approx(plain["probabilities"][0])
    refused = client.post("/predict", json={"rows": [{"citty": "Rome", "hour": 3}]})
    assert refused.status_code == 400 and "did you mean 'city'" in refused.json()["error"]
    with running(create_app(served, Limits(strict=True))) as strict:
        refused = strict.post("/predict", json={"rows": [{"city": "Rome", "session": 7}]})
        assert refused.status_code == 400 and "'session'" in refused.json()["error"]
