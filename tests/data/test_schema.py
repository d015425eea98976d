from __future__ import annotations

import json

import pytest

from autofi.data.schema import Field, FieldKind, Schema
from autofi.errors import DataError
from autofi.values.value_types import Reading, ValueType

CITY = Field("city", FieldKind.CATEGORICAL)
USER = Field("user", FieldKind.CATEGORICAL, reads_as_number=True)
GENRES = Field("genres", FieldKind.MULTI_VALUED, "|")


def test_json_round_trip() -> None:
    schema = Schema(
        (CITY, USER, GENRES, Field("price", FieldKind.NUMERIC)),
        target="click",
        weight="w",
        group="user",
        time="at",
        split="part",
        ignored=("note",),
        readings={"w": Reading(ValueType.NUMBER, ",", ("-999",)), "at": Reading(ValueType.TIME)},
    )
    assert Schema.from_json(json.loads(json.dumps(schema.to_json()))) == schema
    assert schema.names == ("city", "user", "genres", "price")
    assert schema.columns == ("city", "user", "genres", "price", "click", "w", "at", "part")
    assert schema.field("price").reads_as_number
    assert schema.reading("w").decimal == ","
    assert schema.reading("click") == Reading()
    with pytest.raises(DataError, match="not iterable"):
        Schema.from_json(schema.to_json() | {"readings": 7})
    with pytest.raises(DataError, match="did you mean 'time'"):
        Schema.from_json(schema.to_json() | {"readings": {"at": {"values": "tim"}}})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"target": "city"}, "'city' is both"),
        ({"fields": (CITY, CITY)}, "'city' is listed 2 times"),
        ({"fields": ()}, "is left as a field"),
        ({"weight": "city"}, "'city' is both weight and a field"),
        ({"weight": "click"}, "'click' is both target and weight"),
        ({"group": "click"}, "'click' is both target and group"),
        ({"time": "w", "weight": "w"}, "'w' is both weight and time"),
        ({"ignored": ("city",)}, "'city' is both"),
        ({"group": "u", "ignored": ("u",)}, "'u' is both"),
    ],
)
def test_a_schema_that_contradicts_itself_is_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Schema(**{"fields": (CITY,), "target": "click", **settings})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "categorical", "separator": "|"}, "Field 'x' is categorical"),
        ({"kind": "multi_valued", "separator": ""}, "Field 'x' has an empty separator"),
        ({"kind": "multi_valued", "reads_as_number": True}, "Field 'x'"),
        ({"kind": "numerical"}, "did you mean 'numeric'"),
    ],
)
def test_a_field_that_contradicts_itself_is_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Field("x", **settings)  # type: ignore[arg-type]


def test_unknown_fields_and_documents_are_refused() -> None:
    schema = Schema((CITY,), target="click")
    with pytest.raises(DataError, match="did you mean 'city'"):
        schema.field("citi")
    with pytest.raises(DataError, match="target"):
        Schema.from_json({"fields": schema.to_json()["fields"]})
    with pytest.raises(DataError, match="colour"):
        Schema.from_json(schema.to_json() | {"colour": "red"})


@pytest.mark.parametrize(
    "edit",
    [
        {"name": 5}, {"name": None}, {"name": ["city"]}, {"kind": 3}, {"kind": ["categorical"]}, {"separator": 5},
        {"separator": ["|"]}, {"reads_as_number": "yes"}, {"reads_as_number": 1}, {"values": ["text"]},
        {"decimal": ["."]}, {"missing": "NA"}, {"missing": [5]}, {"missing": [None]}, {"missing": {"NA": 1}},
        {"missing": 5}, {"more": 1},
    ],
)  # fmt: skip
def test_parts_of_another_type_are_refused(edit: dict[str, object]) -> None:
    document = Schema((CITY,), target="click").to_json()
    document["fields"][0] |= edit
    with pytest.raises(DataError, match=next(iter(edit))) as refused:
        Schema.from_json(document)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "edit",
    [
        {"target": 5}, {"target": None}, {"weight": 7}, {"group": ["a"]}, {"time": {}}, {"split": True},
        {"ignored": "abc"}, {"ignored": [1]}, {"ignored": [["a"]]}, {"fields": 3}, {"fields": [None]},
        {"fields": ["a"]}, {"fields": {"a": 1}},
    ],
)  # fmt: skip
def test_roles_and_lists_of_another_type_are_refused(edit: dict[str, object]) -> None:
    with pytest.raises(DataError):
        Schema.from_json(Schema((CITY,), target="click").to_json() | edit)
