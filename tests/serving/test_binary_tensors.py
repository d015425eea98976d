"""Tensors as bytes, laid out as the protocol's binary extension says and as Triton's client sends them by default."""

from __future__ import annotations

import json
import struct
from typing import Any

import httpx
import numpy as np
import pytest

from autofi import Predictor
from autofi.data.schema import FieldKind
from tests.serving.servers import TOLERANCE, expected, rows_of

INFER = "/v2/models/ctr/infer"
LENGTH = "Inference-Header-Content-Length"


def packed(texts: list[str]) -> bytes:
    """Texts of BYTES: each behind its length, four bytes little-endian."""
    return b"".join(struct.pack("<I", len(text.encode())) + text.encode() for text in texts)


def triton(predictor: Predictor, rows: list[dict[str, Any]], **changes: Any) -> tuple[bytes, dict[str, str]]:
    """Body and headers of `tritonclient.http.InferenceServerClient.infer(model, inputs)` with its defaults.

    It sends every tensor in bytes, names no output and so asks for all in bytes, and sends no content type.
    """
    inputs, data = [], b""
    for field in predictor.schema.fields:
        values = [row.get(field.name) for row in rows]
        if field.kind is FieldKind.NUMERIC:
            content = np.array([np.nan if value is None else value for value in values], "<f8").tobytes()
            kind = "FP64"
        else:
            texts = [
                "|".join(one) if isinstance(one, list) else str("" if one is None else one) for one in values
            ]
            content, kind = packed(texts), "BYTES"
        size = {"binary_data_size": len(content)}
        inputs.append({"name": field.name, "shape": [len(rows)], "datatype": kind, "parameters": size})
        data += content
    head = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}} | changes).encode()
    return head + data, {LENGTH: str(len(head))}


def read(answer: httpx.Response) -> tuple[dict[str, Any], np.ndarray]:
    """The JSON of an answer, and the numbers behind it."""
    assert answer.status_code == 200, answer.text
    end = int(answer.headers[LENGTH])
    document = json.loads(answer.content[:end])
    (output,) = document["outputs"]
    data = answer.content[end:]
    assert output["parameters"]["binary_data_size"] == len(data) and "data" not in output
    return document, np.frombuffer(data, "<f8")


def test_a_stock_client_of_triton_is_answered_in_bytes(client: httpx.Client, predictor: Predictor) -> None:
    assert "binary_tensor_data" in client.get("/v2").json()["extensions"]
    rows = rows_of(20)
    body, headers = triton(predictor, rows, id="7")
    answer = client.post(INFER, content=body, headers=headers)
    document, found = read(answer)
    assert (document["model_name"], document["id"]) == ("ctr", "7")
    assert document["outputs"][0]["shape"] == [20] and document["outputs"][0]["datatype"] == "FP64"
    np.testing.assert_allclose(found, expected(predictor, rows), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("kind", ["application/octet-stream", "application/json", None])
def test_json_is_answered_unless_bytes_are_asked_for(
    client: httpx.Client, predictor: Predictor, kind: str | None
) -> None:
    rows = rows_of(5)
    for changes, binary in (
        ({"parameters": {}}, False),
        ({"parameters": None}, False),
        ({"outputs": [{"name": "probability"}]}, True),
        ({"outputs": [{"name": "probability", "parameters": {"binary_data": False}}]}, False),
        ({"parameters": {}, "outputs": [{"name": "probability", "parameters": {"binary_data": True}}]}, True),
    ):
        body, headers = triton(predictor, rows, **changes)
        answer = client.post(INFER, content=body, headers=headers | ({"Content-Type": kind} if kind else {}))
        found = read(answer)[1] if binary else np.array(answer.json()["outputs"][0]["data"])
        np.testing.assert_allclose(found, expected(predictor, rows), rtol=0, atol=TOLERANCE)


def test_a_json_request_may_ask_for_bytes(client: httpx.Client, predictor: Predictor) -> None:
    from tests.serving.servers import tensors_of

    rows = rows_of(3)
    request = {"inputs": tensors_of(rows, predictor.schema), "parameters": {"binary_data_output": True}}
    found = read(client.post(INFER, json=request))[1]
    np.testing.assert_allclose(found, expected(predictor, rows), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(
    ("datatype", "values"),
    [("BOOL", [True, False]), ("INT8", [-128, 4]), ("UINT16", [65535, 4]), ("INT32", [-5, 4]),
     ("UINT64", [2**64 - 1, 4]), ("FP16", [0.5, 4.0]), ("FP32", [0.1, 4.0]), ("FP64", [0.1, 4.0])],
)  # fmt: skip
def test_bytes_of_every_datatype_mean_what_json_means(
    client: httpx.Client, predictor: Predictor, datatype: str, values: list[Any]
) -> None:
    from tests.serving.servers import tensors_of

    kinds = {"BOOL": "?", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8"}
    sign = "u" if datatype.startswith("U") else "i"
    kind = kinds.get(datatype) or f"<{sign}{int(datatype.lstrip('UINT')) // 8}"
    data = np.array(values, kind).tobytes()
    inputs = tensors_of([{}, {}], predictor.schema)
    place = predictor.schema.names.index("price")
    inputs[place] |= {"datatype": datatype, "data": values}
    by_json = client.post(INFER, json={"inputs": inputs}).json()["outputs"][0]["data"]
    inputs[place] = {
        "name": "price", "shape": [2], "datatype": datatype, "parameters": {"binary_data_size": len(data)}
    }  # fmt: skip
    head = json.dumps({"inputs": inputs}).encode()
    answer = client.post(INFER, content=head + data, headers={LENGTH: str(len(head))})
    assert answer.json()["outputs"][0]["data"] == by_json


def damaged(predictor: Predictor, kind: str) -> tuple[bytes, dict[str, str]]:
    body, headers = triton(predictor, [{"city": "a"}, {"city": "b"}])
    end = int(headers[LENGTH])
    document, data = json.loads(body[:end]), body[end:]
    size = document["inputs"][1]["parameters"]
    match kind:
        case "beyond":
            return body, {LENGTH: str(len(body) + 1)}
        case "no length":
            return body, {LENGTH: "-5"}
        case "letters":
            return body, {LENGTH: "५"}
        case "too few bytes":
            return body[:-1], headers
        case "too many bytes":
            return body + b"x", headers
        case "a size below 0":
            size["binary_data_size"] = -1
        case "a size of a text":
            size["binary_data_size"] = "10"
        case "a size of true":
            size["binary_data_size"] = True
        case "no size":
            del document["inputs"][1]["parameters"]
        case "a long text":
            start = document["inputs"][0]["parameters"]["binary_data_size"]
            data = data[:start] + b"\xff\xff\xff\xff" + data[start + 4 :]
        case "no UTF-8":
            data = data.replace(b"\x01\x00\x00\x00a", b"\x01\x00\x00\x00\xff")
        case "another count":
            document["inputs"][1]["shape"] = [2, 1]
            size["binary_data_size"] += 4
            data = (
                data[: document["inputs"][0]["parameters"]["binary_data_size"]]
                + packed([""])
                + data[document["inputs"][0]["parameters"]["binary_data_size"] :]
            )
        case "another type":
            document["inputs"][1]["datatype"] = "FP64"
    head = json.dumps(document).encode()
    return head + data, {LENGTH: str(len(head))}


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("beyond", "but the body has"), ("no length", "is not a number of bytes"),
        ("too few bytes", "binary_data_size is"), ("too many bytes", "1 bytes after the JSON"),
        ("a size below 0", "is -1, but"), ("a size of a text", 'is "10", but'),
        ("a size of true", "is true, but"), ("no size", "at inputs.1.data"),
        ("a long text", "longer than the remaining bytes"), ("no UTF-8", "value 1 is not UTF-8"),
        ("another count", "has 3 values"), ("another type", "multiple of 8"),
    ],
)  # fmt: skip
def test_bytes_that_are_no_tensors_are_refused(
    client: httpx.Client, predictor: Predictor, kind: str, told: str
) -> None:
    body, headers = damaged(predictor, kind)
    answer = client.post(INFER, content=body, headers=headers)
    assert answer.status_code == 400
    assert told in answer.json()["error"]


def test_rows_are_json_only(client: httpx.Client) -> None:
    body = b'{"rows": [{"city": "a"}]}'
    answer = client.post("/predict", content=body, headers={"Content-Type": "application/octet-stream"})
    assert answer.status_code == 415
