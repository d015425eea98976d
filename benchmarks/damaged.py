"""Requests for `autofi serve`: valid ones of both kinds, and the ways in which they are damaged."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from autofi.data.schema import FieldKind, Schema
from benchmarks.served import NAME, drawn_rows

#: The limits of the server that they are for.
MOST_ROWS, MOST_BYTES = 50, 100_000
ROWS, TENSORS = "/predict", f"/v2/models/{NAME}/infer"
ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 5, 5.0, "5", "", " ", "|", "a|b", "\u0000", "\U0001f600", "nan", "inf", 1e308, -0.0,
    2**53 + 1, 2**63, -(2**63) - 1, 10**400, 10**4000, [], [[]], {}, {"a": 1},
    ["a", 1, None, 2.5, True], [[1]], "x" * 5000,
)  # fmt: skip
#: What JSON's grammar has not, or what has two meanings.
ODD_TOKENS = (
    b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"1e-999", b"01", b"+1", b".5", b"0x1", b"'a'",
    b'"\\ud800"', b'"\xff"',
    b'"\\u0000"', b"tru", b"", b"1" * 5000, b"1." + b"1" * 5000, b'{"a":1,"a":1}', b"[" * 2000, b'{"a":' * 2000,
)  # fmt: skip
CONTENT_TYPES = (
    "text/plain", "application/xml", "", "application/json; charset=utf-16", "application/octet-stream", "json",
    "multipart/form-data; boundary=x", "application/json, text/plain", "\xff",
)  # fmt: skip


@dataclass(frozen=True)
class Request:
    path: str
    body: bytes
    headers: dict[str, str]
    method: str = "POST"

    @property
    def of_rows(self) -> bool:
        return self.path.partition("?")[0] == ROWS


Damage = Callable[[Request, np.random.Generator], Request]


def valid_requests(schema: Schema, rng: np.random.Generator) -> list[Request]:
    """Of both kinds, with one row or a few."""
    requests = []
    for _ in range(100):
        rows = drawn_rows(schema, int(rng.integers(1, 6)), rng)
        tensors = []
        for field in schema.fields:
            values = [row[field.name] for row in rows]
            if field.kind is FieldKind.MULTI_VALUED:
                values = [(field.separator or "|").join(value or ()) for value in values]
            integers = field.kind is FieldKind.CATEGORICAL and field.reads_as_number
            datatype = "FP64" if field.kind is FieldKind.NUMERIC else "INT64" if integers else "BYTES"
            tensors.append({"name": field.name, "shape": [len(rows)], "datatype": datatype, "data": values})
        headers = {"Content-Type": "application/json"}
        requests.append(Request(ROWS, json.dumps({"rows": rows}).encode(), headers))
        requests.append(Request(TENSORS, json.dumps({"id": "fuzz", "inputs": tensors}).encode(), headers))
    return requests


def damaged_bytes(change: Callable[[bytearray, np.random.Generator], bytes | bytearray]) -> Damage:
    return lambda request, rng: replace(request, body=bytes(change(bytearray(request.body), rng)))


def flip(body: bytearray, rng: np.random.Generator) -> bytearray:
    for place in rng.integers(len(body), size=int(rng.integers(1, 4))):
        body[place] ^= 1 << int(rng.integers(8))
    return body


def insert_token(body: bytearray, rng: np.random.Generator) -> bytes:
    """Some value of the document is replaced by an odd token, others stay."""
    places = [place for place, byte in enumerate(body) if byte in b":,[" and place + 1 < len(body)]
    place = places[rng.integers(len(places))]
    ends = [end for end in (body.find(b"%c" % byte, place + 1) for byte in b",]}") if end > 0]
    return bytes(body[: place + 1]) + ODD_TOKENS[rng.integers(len(ODD_TOKENS))] + bytes(body[min(ends) :])


def odd_value(request: Request, rng: np.random.Generator) -> Request:
    """One value or more anywhere in the document is replaced by an odd one."""
    document = json.loads(request.body)
    for _ in range(int(rng.integers(1, 4))):
        holder: Any = document
        while True:
            keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            if not keys:
                break
            key = keys[rng.integers(len(keys))]
            if not isinstance(holder[key], (dict, list)) or rng.random() < 0.1:
                holder[key] = copy.deepcopy(
                    ODD_VALUES[rng.integers(len(ODD_VALUES))]
                )  # may be damaged further
                break
            holder = holder[key]
    return replace(request, body=json.dumps(document).encode())


def other_shape(request: Request, rng: np.random.Generator) -> Request:
    document = json.loads(request.body)
    if "inputs" not in document:
        document["rows"] = document["rows"] * int(rng.choice([0, MOST_ROWS]))
    else:
        tensor = document["inputs"][rng.integers(len(document["inputs"]))]
        shapes: list[Any] = [
            [],
            [0],
            [-1],
            [10**30],
            [1, 1, 1],
            [2, 2],
            [len(tensor["data"]), 1],
            ["1"],
            [1.0],
            1,
            None,
        ]
        tensor["shape"] = shapes[rng.integers(len(shapes))]
    return replace(request, body=json.dumps(document).encode())


def other_datatype(request: Request, rng: np.random.Generator) -> Request:
    document = json.loads(request.body)
    names = [
        "BOOL",
        "UINT8",
        "UINT64",
        "INT8",
        "INT16",
        "INT64",
        "FP16",
        "FP32",
        "FP64",
        "BYTES",
        "BF16",
        "x",
    ]
    for tensor in document.get("inputs", []):
        if rng.random() < 0.3:
            tensor["datatype"] = names[rng.integers(len(names))]
    return replace(request, body=json.dumps(document).encode())


def other_keys(request: Request, rng: np.random.Generator) -> Request:
    """A key of the document, or the name of a tensor, is lost, renamed or doubled."""
    document = json.loads(request.body)
    if "inputs" in document and rng.random() < 0.5:
        document["inputs"].append(document["inputs"][0])
    text = json.dumps(document)
    keys = ["inputs", "rows", "name", "data", "shape", "datatype", "id", "city", "price"]
    key = keys[rng.integers(len(keys))]
    return replace(request, body=text.replace(f'"{key}"', ['"id"', '"x"', '""'][rng.integers(3)], 1).encode())


def content_type(request: Request, rng: np.random.Generator) -> Request:
    return replace(request, headers={"Content-Type": CONTENT_TYPES[rng.integers(len(CONTENT_TYPES))]})


def header(request: Request, rng: np.random.Generator) -> Request:
    headers = [
        {"Inference-Header-Content-Length": "10"},
        {"Content-Encoding": "gzip"},
        {"Accept": "text/csv"},
        {"X-Long": "x" * 5000},
        {"Expect": "nothing"},
    ]
    return replace(request, headers=request.headers | headers[rng.integers(len(headers))])


def place(request: Request, rng: np.random.Generator) -> Request:
    paths = [
        "/",
        "/v2/models/x/infer",
        f"{TENSORS}/",
        "/%ff%00",
        "/v2/models/%F0%9F/infer",
        "/metrics",
        "/v2",
        "/predict?a=b",
    ]
    paths += [
        f"/v2/models/{NAME}/versions/2/infer",
        "/openapi.json",
        "/../predict",
        "//predict",
        f"/{'a' * 5000}",
    ]
    methods = ["GET", "PUT", "DELETE", "OPTIONS", "TRACE", "X", "POST"]
    return replace(request, path=paths[rng.integers(len(paths))], method=methods[rng.integers(len(methods))])


def oversized(request: Request, rng: np.random.Generator) -> Request:
    return replace(request, body=request.body + b" " * int(rng.integers(MOST_BYTES, 10 * MOST_BYTES)))


def deep(body: bytearray, rng: np.random.Generator) -> bytes:
    opening = [b"[", b'{"rows":', b'{"rows":[', b'{"inputs":[{"data":['][rng.integers(4)]
    return (opening * int(rng.integers(100, MOST_BYTES // len(opening)))) + bytes(body)


DAMAGES: dict[str, Damage] = {
    "bytes flipped": damaged_bytes(flip),
    "cut short": damaged_bytes(lambda body, rng: body[: rng.integers(len(body))]),
    "not UTF-8": damaged_bytes(lambda body, rng: body.replace(b'"', b'"\xc3\x28', int(rng.integers(1, 3)))),
    "other encoding": damaged_bytes(lambda body, rng: body.decode().encode(("utf-16", "utf-32")[rng.integers(2)])),
    "noise": damaged_bytes(lambda body, rng: rng.bytes(int(rng.integers(200)))),
    "odd token": damaged_bytes(insert_token),
    "deep": damaged_bytes(deep),
    "odd value": odd_value,
    "other shape": other_shape,
    "other datatype": other_datatype,
    "other keys": other_keys,
    "content type": content_type,
    "header": header,
    "place": place,
    "oversized": oversized,
}  # fmt: skip
