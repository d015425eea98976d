"""The Open Inference Protocol v2: what metadata tells, which tensors are read, and why others are refused."""

from __future__ import annotations

from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest

from autofi import Predictor
from autofi.data.schema import Field, FieldKind, Schema
from autofi.serving.protocol import InferInput
from autofi.serving.refusal import RequestError
from autofi.serving.tensors import inputs_of, table_of_tensors
from tests.serving.servers import TOLERANCE, expected, rows_of, tensors_of

INFER = "/v2/models/ctr/infer"
LISTS = Schema(
    fields=(
        Field("words", FieldKind.MULTI_VALUED),
        Field("price", FieldKind.NUMERIC),
        Field("city", FieldKind.CATEGORICAL),
    ),
    target="click",
)


@pytest.mark.parametrize("separator", [None, ";"])
@pytest.mark.parametrize(
    ("shape", "data"),
    [
        ([0, 10**18], []),
        ([0, 3_000_000_000], []),
        ([1, 100_001], ["a"] * 100_001),
        ([2, 10**30], ["a"]),
        ([1], ["a|;" * 100_000]),
        ([1, 1], ["a|;" * 100_000]),
    ],
)
def test_lists_have_at_most_100_000_values_in_tensors_too(
    separator: str | None, shape: list[int], data: list[str]
) -> None:
    schema = Schema((Field("words", FieldKind.MULTI_VALUED, separator=separator),), target="click")
    if shape == [1, 1] and separator is None:
        pytest.skip("a value of a list, which is not divided")
    tensor = InferInput(name="words", shape=shape, datatype="BYTES", data=data)
    with pytest.raises(RequestError, match="'words' has .* values; send at most 100,000") as refused:
        table_of_tensors([tensor], schema, most_rows=10)
    assert refused.value.status == 413


@pytest.mark.parametrize("shape", [[0], [0, 0], [0, 7], [0, 100_000]])
def test_an_empty_axis_is_no_row(shape: list[int]) -> None:
    schema = Schema((Field("words", FieldKind.MULTI_VALUED),), target="click")
    tensor = InferInput(name="words", shape=shape, datatype="BYTES", data=[])
    assert table_of_tensors([tensor], schema, most_rows=10).num_rows == 0


def test_a_server_tells_of_itself_and_its_model(client: httpx.Client) -> None:
    assert client.get("/v2").json() == {
        "name": "autofi",
        "version": "0.1.0",
        "extensions": ["binary_tensor_data"],
    }
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}
    for place in ("/v2/models/ctr", "/v2/models/ctr/versions/1"):
        metadata = client.get(place).json()
        assert (metadata["name"], metadata["versions"]) == ("ctr", ["1"])
        assert metadata["outputs"] == [{"name": "probability", "datatype": "FP64", "shape": [-1]}]
        inputs = {tensor["name"]: (tensor["datatype"], tensor["shape"]) for tensor in metadata["inputs"]}
        assert inputs["price"] == ("FP64", [-1])
        assert inputs["city"] == inputs["tags"] == ("BYTES", [-1])
        assert len(inputs) == 10
        assert client.get(f"{place}/ready").json() == {"name": "ctr", "ready": True}
    assert [tensor.shape for tensor in inputs_of(LISTS)] == [[-1, -1], [-1], [-1]]


@pytest.mark.parametrize(
    "place", ["/v2/models/crt", "/v2/models/ctr/versions/2", "/v2/models/ctr/versions/2/ready"]
)
def test_another_model_or_version_is_not_found(client: httpx.Client, place: str) -> None:
    answer = client.get(place)
    assert answer.status_code == 404
    assert "it has '1'" in answer.json()["error"] or "this server has 'ctr'" in answer.json()["error"]


def test_tensors_have_the_probabilities_of_the_predictor(client: httpx.Client, predictor: Predictor) -> None:
    rows = rows_of(20)
    flat = tensors_of(rows, predictor.schema)
    column = [tensor | {"shape": [20, 1]} for tensor in flat]
    nested = [tensor | {"data": [[value] for value in tensor["data"]]} for tensor in column]
    for inputs in (flat, column, nested, flat[::-1]):
        request = {"id": "17", "inputs": inputs, "outputs": [{"name": "probability"}]}
        answer = client.post(INFER, json=request)
        assert answer.status_code == 200, answer.text
        document = answer.json()
        (output,) = document.pop("outputs")
        assert document == {"model_name": "ctr", "model_version": "1", "id": "17"}
        assert (output["name"], output["datatype"], output["shape"]) == ("probability", "FP64", [20])
        np.testing.assert_allclose(output["data"], expected(predictor, rows), rtol=0, atol=TOLERANCE)
    assert "id" not in client.post("/v2/models/ctr/versions/1/infer", json={"inputs": flat}).json()


@pytest.mark.parametrize(
    ("datatype", "values"),
    [
        ("BOOL", [True, None, False]),
        ("INT8", [-128, None, 4]),
        ("UINT64", [2**64 - 1, None, 4]),
        ("INT64", [-(2**63), None, 4]),
        ("FP16", [0.5, None, 4]),
        ("FP32", [0.1, None, 4]),
        ("FP64", [0.1, None, 4]),
        ("BYTES", ["4", None, "0.1"]),
    ],
)
def test_every_datatype_is_read_as_an_arrow_column_of_it(
    client: httpx.Client, predictor: Predictor, datatype: str, values: list[Any]
) -> None:
    kinds = {"BOOL": "bool", "FP16": "float16", "FP32": "float32", "FP64": "float64", "BYTES": "string"}
    rows = [{"hour": str(number)} for number in range(3)]
    for name in ("city", "price"):
        column = pa.array(values, pa.type_for_alias(kinds.get(datatype, datatype.lower())))
        table = pa.table(
            {field: column if field == name else pa.array([row.get(field) for row in rows])
             for field in predictor.schema.names}
        )  # fmt: skip
        inputs = tensors_of(rows, predictor.schema)
        place = predictor.schema.names.index(name)
        inputs[place] |= {"datatype": datatype, "data": values}
        answer = client.post(INFER, json={"inputs": inputs})
        assert answer.status_code == 200, answer.text
        np.testing.assert_allclose(
            answer.json()["outputs"][0]["data"], predictor.predict_proba(table), rtol=0, atol=TOLERANCE
        )


def test_lists_are_padded_to_one_length() -> None:
    shape = [2, 3]
    words = InferInput(name="words", shape=shape, datatype="BYTES", data=["a|b", "", None, "c", "d", "c"])
    nested = words.model_copy(update={"data": [["a|b", "", None], ["c", "d", "c"]]})
    others = [
        InferInput(name="price", shape=[2], datatype="INT8", data=[1, None]),
        InferInput(name="city", shape=[2], datatype="FP64", data=[5.0, 0.5]),
    ]
    for tensor in (words, nested):
        table = table_of_tensors([tensor, *others], LISTS, most_rows=2)
        assert table.to_pydict() == {
            "words": [["a|b"], ["c", "d", "c"]],
            "price": [1.0, None],
            "city": ["5", "0.5"],
        }
    with pytest.raises(RequestError, match="rows, and 1 is the limit"):
        table_of_tensors([words, *others], LISTS, most_rows=1)


def change(place: int, **changes: Any) -> dict[int, dict[str, Any]]:
    return {place: changes}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (change(1, name="citty"), "'citty' is not a field of the model; did you mean 'city'"),
        (change(1, name="hour"), "'hour' occurs twice"),
        (change(1, shape=[3]), "Tensor 'hour' has 2 rows and 'city' has 3"),
        (change(1, data=["a"]), "Tensor 'city' has 1 values; its shape needs 2"),
        (change(1, shape=[2, 2], data=list("abcd")), "Tensor 'city' has the shape [2,2]; send [N] or [N,1]"),
        (change(1, shape=[2, 1, 1]), "has the shape [2,1,1]"),
        (change(9, shape=[2, 2, 1], data=list("abcd")), "the shape [2,2,1]; send [N], [N,1] or [N,L]"),
        (change(9, shape=[2, 2], data=[["a", "b"], ["c"]]), "row 2 of its data is 1 values"),
        (change(9, shape=[2, 99_999], data=[]), "has 0 values"),
        (change(1, data=["a", 5]), "Tensor 'city': value 2, 5, is not of datatype BYTES"),
        (change(1, data=["a", ["b"]]), "value 2, a list, is not of datatype BYTES"),
        (change(1, datatype="INT8", data=[1, 200]), "value 2, 200, is not of datatype INT8"),
        (change(1, datatype="INT64", data=[1, True]), "value 2, true, is not of datatype INT64"),
        (change(1, datatype="FP32", data=[1, 1e300]), "is not of datatype FP32"),
        (change(8, data=[1, 10**400]), "is not of datatype FP64"),
        (change(8, datatype="BYTES", data=["1", "cheap"]), "Tensor 'price': value 2, \"cheap\", is not a number"),
        (change(8, datatype="BYTES", data=["1", "inf"]), "is not a finite number"),
        (change(1, datatype="STRING"), "at inputs.1.datatype"),
        (change(1, shape=[2.0]), "at inputs.1.shape.0"),
        (change(1, shape=[-1]), "found -1"),
        (change(1, data=None), "at inputs.1.data"),
        (change(1, parameters={"binary_data_size": 8}), "at inputs.1.data has both data and binary_data_size"),
        (change(1, parameters={"shared_memory_region": "x"}), "'shared_memory_region' is not supported"),
    ],
)  # fmt: skip
def test_tensors_that_cannot_be_read_are_refused(
    client: httpx.Client, predictor: Predictor, changes: dict[int, dict[str, Any]], told: str
) -> None:
    inputs = tensors_of([{"city": "a"}, {"city": "b"}], predictor.schema)
    for place, changed in changes.items():
        inputs[place] |= changed
    answer = client.post(INFER, json={"inputs": inputs})
    assert answer.status_code == 400
    assert told in answer.json()["error"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"inputs": []}, "at inputs"),
        ({"inputs": {}}, "at inputs"),
        ({"id": 5}, "at id"),
        ({"outputs": [{"name": "clicks"}]}, "There is no output 'clicks'; ask for 'probability'"),
        (
            {"outputs": [{"name": "probability", "parameters": {"classification": 3}}]},
            "'classification' is not supported",
        ),
    ],
)
def test_requests_that_the_protocol_has_not_are_refused(
    client: httpx.Client, predictor: Predictor, changes: dict[str, Any], told: str
) -> None:
    answer = client.post(INFER, json={"inputs": tensors_of([{}], predictor.schema)} | changes)
    assert answer.status_code == 400
    assert told in answer.json()["error"]
    answer = client.post(INFER, json={"inputs": tensors_of([{}], predictor.schema)[1:]})
    assert "The tensor 'hour' is missing" in answer.json()["error"]


def test_too_many_rows_are_refused(client: httpx.Client, predictor: Predictor) -> None:
    many = client.post(INFER, json={"inputs": tensors_of([{}] * 201, predictor.schema)})
    assert (many.status_code, "has 201 rows, and 200 is the limit" in many.json()["error"]) == (413, True)


def test_tensors_without_rows_have_no_probabilities(client: httpx.Client, predictor: Predictor) -> None:
    flat = tensors_of([], predictor.schema)
    wide = [
        tensor | ({"shape": [0, 5]} if tensor["name"] == "tags" else {"shape": [0, 1]}) for tensor in flat
    ]
    for inputs in (flat, wide):
        answer = client.post(INFER, json={"inputs": inputs})
        assert answer.status_code == 200, answer.text
        (output,) = answer.json()["outputs"]
        assert output == {"name": "probability", "datatype": "FP64", "shape": [0], "data": []}


def test_lists_without_a_value_are_missing(client: httpx.Client, predictor: Predictor) -> None:
    rows = rows_of(4)
    for row in rows:
        row["tags"] = []
    inputs = tensors_of(rows, predictor.schema)
    place = predictor.schema.names.index("tags")
    inputs[place] |= {"shape": [4, 0], "data": []}
    answer = client.post(INFER, json={"inputs": inputs})
    assert answer.status_code == 200, answer.text
    found = answer.json()["outputs"][0]["data"]
    np.testing.assert_allclose(found, expected(predictor, rows), rtol=0, atol=TOLERANCE)
    # Of a single value there is none in no column.
    inputs[predictor.schema.names.index("city")] |= {"shape": [4, 0], "data": []}
    refused = client.post(INFER, json={"inputs": inputs})
    assert (refused.status_code, "the shape [4,0]" in refused.json()["error"]) == (400, True)
