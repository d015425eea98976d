"""Malformed requests for `autofi serve`: `python -m benchmarks.fuzz_server DIR --requests 100000`, minutes.

Valid requests are damaged in one of many ways, a share of them is sent as it is. The server never fails (no status of
500 or more), answers each in time, and every probability it gives is that of the predictor for the values that were
sent, read from the body by plain code and scored in tables of the values' own types.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import typer

import autofi
from autofi.data.schema import FieldKind, Schema
from benchmarks.http import Connection
from benchmarks.served import HOST, NAME, drawn_rows, served

MOST_ROWS, MOST_BYTES = 50, 100_000
TOLERANCE = 1e-6
TIMEOUT = 60.0
ROWS, TENSORS = "/predict", f"/v2/models/{NAME}/infer"
ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 5, 5.0, "5", "", " ", "|", "a|b", "\u0000", "\U0001f600", "nan", "inf", 1e308, -0.0,
    2**53 + 1, 2**63, -(2**63) - 1, 10**400, 10**4000, [], [[]], {}, {"a": 1}, ["a", 1, None, 2.5, True], [[1]], "x" * 5000,
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
Cell = tuple[pa.DataType | None, Any]


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


def main(
    bundle: Annotated[Path, typer.Argument(help="Folder written by autofi export.")],
    requests: Annotated[int, typer.Option(help="Requests to send.")] = 100_000,
    connections: Annotated[int, typer.Option(help="Clients at once.")] = 16,
    valid: Annotated[float, typer.Option(help="Share of requests sent as they are.")] = 0.2,
    seed: Annotated[int, typer.Option(help="Of the requests.")] = 0,
) -> None:
    """Print the answers by damage and status; exits with 1 if any is wrong or missing."""
    predictor = autofi.load(bundle)
    rng = np.random.default_rng(seed)
    good = valid_requests(predictor.schema, rng)
    begun = time.perf_counter()
    with served(bundle, "--max-rows", str(MOST_ROWS), "--max-bytes", f"{MOST_BYTES}B") as port:
        run = Run(good, rng, left=requests, valid=valid)
        asyncio.run(run.send(port, connections))
    print(f"{requests:,} requests in {time.perf_counter() - begun:.0f} s by {connections} connections")
    for name in sorted(run.statuses):
        print(
            f"{name:>18}: " + ", ".join(f"{status} {n:,}" for status, n in sorted(run.statuses[name].items()))
        )
    totals = sum(run.statuses.values(), Counter[int]())
    print(f"{'all':>18}: " + ", ".join(f"{status} {number:,}" for status, number in sorted(totals.items())))
    checked, wrong = check(run.answered, predictor)
    failures = [request for request, status in run.failures if status >= 500]
    silent = [request for request, status in run.failures if status < 500]
    print(
        f"status of 500 or more: {len(failures)}; without an answer: {len(silent)}; valid requests refused: "
        f"{run.refused}; rows checked: {checked:,}; wrong: {len(wrong)}"
    )
    for request in (*failures[:5], *silent[:5]):
        print(request.path, request.headers, request.body[:300])
    for line in wrong[:5]:
        print(line)
    raise typer.Exit(int(bool(failures or silent or wrong or run.refused)))


class Run:
    """What was sent and answered."""

    def __init__(self, good: list[Request], rng: np.random.Generator, *, left: int, valid: float) -> None:
        self._good, self._rng, self._left, self._valid = good, rng, left, valid
        self.statuses: dict[str, Counter[int]] = defaultdict(Counter)
        self.failures: list[tuple[Request, int]] = []
        self.answered: list[tuple[Request, list[float]]] = []
        self.refused = 0

    async def send(self, port: int, connections: int) -> None:
        await asyncio.gather(*(self._client(port) for _ in range(connections)))

    async def _client(self, port: int) -> None:
        async with Connection(HOST, port) as connection:
            while self._left > 0:
                self._left -= 1
                name, request = self._next()
                try:
                    async with asyncio.timeout(TIMEOUT):
                        status, content = await connection.request(
                            request.path, request.body, request.headers, method=request.method
                        )
                except (OSError, EOFError, TimeoutError):
                    connection.close()
                    status, content = 0, b""
                self.statuses[name][status] += 1
                self._note(name, request, status, content)

    def _next(self) -> tuple[str, Request]:
        request = self._good[self._rng.integers(len(self._good))]
        if self._rng.random() < self._valid:
            return "valid", request
        name = list(DAMAGES)[self._rng.integers(len(DAMAGES))]
        return name, DAMAGES[name](request, self._rng)

    def _note(self, name: str, request: Request, status: int, content: bytes) -> None:
        if status == 0 or status >= 500:
            self.failures.append((request, status))
        elif status == 200 and request.method == "POST":
            document = json.loads(content)
            found = document["probabilities"] if request.of_rows else document["outputs"][0]["data"]
            self.answered.append((request, found))
        elif name == "valid":
            self.refused += 1


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
                holder[key] = ODD_VALUES[rng.integers(len(ODD_VALUES))]
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


def check(answered: list[tuple[Request, list[float]]], predictor: autofi.Predictor) -> tuple[int, list[str]]:
    """How many rows were compared with the predictor's probability, and a line for every one that is another."""
    alike: dict[tuple[Any, ...], list[tuple[dict[str, Cell], float]]] = defaultdict(list)
    wrong = []
    for request, found in answered:
        cells = read_rows(request, predictor.schema)
        if len(cells) != len(found):
            wrong.append(f"{len(found)} probabilities for {len(cells)} rows: {request.body[:300]!r}")
            continue
        for row, probability in zip(cells, found, strict=True):
            signature = tuple(str(kind or type(value)) for kind, value in row.values())
            alike[signature].append((row, probability))
    checked = 0
    for rows in alike.values():
        columns = {
            name: pa.array([row[name][1] for row, _ in rows], rows[0][0][name][0])
            for name in predictor.schema.names
        }
        expected = predictor.predict_proba(pa.table(columns))
        checked += len(rows)
        for (row, found), probability in zip(rows, expected, strict=True):
            if not abs(found - probability) < TOLERANCE:
                wrong.append(f"{found} instead of {probability}: {row}")
    return checked, wrong


def read_rows(request: Request, schema: Schema) -> list[dict[str, Cell]]:
    """Every field's value in every row of a body, with the Arrow type that it was sent as, if any."""
    document = json.loads(request.body)
    if request.of_rows:
        return [
            {field.name: (None, row.get(field.name)) for field in schema.fields}
            for row in _plain(document, schema)
        ]
    kinds = {
        "BYTES": pa.string(),
        "BOOL": pa.bool_(),
        "FP16": pa.float16(),
        "FP32": pa.float32(),
        "FP64": pa.float64(),
    }
    tensors = {}
    for tensor in document["inputs"]:
        kind = kinds.get(tensor["datatype"]) or pa.type_for_alias(tensor["datatype"].lower())
        values = tensor["data"]
        if len(tensor["shape"]) == 2 and tensor["shape"][1] != 1:  # the tags of each row
            width = tensor["shape"][1]
            values = [values[start : start + width] for start in range(0, len(values), width)]
            kind = pa.list_(kind)
        if pa.types.is_boolean(kind) and schema.field(tensor["name"]).kind is not FieldKind.NUMERIC:
            kind, values = pa.string(), [None if value is None else str(value).lower() for value in values]
        tensors[tensor["name"]] = [
            (kind, float(v) if pa.types.is_floating(kind) and v is not None else v) for v in values
        ]
    return [dict(zip(tensors, cells, strict=True)) for cells in zip(*tensors.values(), strict=True)]


def _plain(document: Any, schema: Schema) -> list[dict[str, Any]]:
    """Values that Arrow has no type for, or that a table reads in another way, as their texts."""
    rows = []
    for given in document["rows"]:
        row = dict(given)
        for field in schema.fields:
            value = row.get(field.name)
            if field.kind is FieldKind.NUMERIC:
                row[field.name] = None if value is None else float(value)
            elif isinstance(value, list):
                row[field.name] = [_text(token) for token in value]
            elif isinstance(value, bool) or (isinstance(value, int) and not -(2**63) <= value < 2**63):
                row[field.name] = _text(value)
        rows.append(row)
    return rows


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return (
        str(value).lower()
        if isinstance(value, bool)
        else f"{value:.17g}"
        if isinstance(value, float)
        else str(value)
    )


if __name__ == "__main__":
    typer.run(main)
