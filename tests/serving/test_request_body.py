"""A body is read only as far as it may be an answerable one, and refused for what could be read in two ways."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import Request

from autofi.serving import request_body as reading
from autofi.serving.refusal import RequestError
from autofi.serving.request_body import parse, read_body

JSON = {"Content-Type": "application/json"}
ROW = b'{"rows": [{"city": "a"}]}'


@pytest.mark.parametrize(
    "headers",
    [JSON, {"Content-Type": "Application/JSON; charset=UTF-8"}, JSON | {"Content-Encoding": "identity"}],
)
def test_json_is_read_however_its_type_is_written(client: httpx.Client, headers: dict[str, str]) -> None:
    assert client.post("/predict", content=ROW, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        (
            {"Content-Type": "text/csv"},
            "'text/csv', not JSON in UTF-8; send the header Content-Type: application/json",
        ),
        ({"Content-Type": ""}, "is '', not JSON"),
        ({}, "The body has no type; send the header Content-Type: application/json"),
        ({"Content-Type": "application/octet-stream"}, "'application/octet-stream', not JSON"),
        (
            {"Content-Type": "application/x-www-form-urlencoded"},
            "'application/x-www-form-urlencoded', not JSON",
        ),
        ({"Content-Type": "text/plain"}, "'text/plain', not JSON"),
        ({"Content-Type": "application/json; charset=latin-1"}, "charset=latin-1"),
        (JSON | {"Content-Encoding": "gzip"}, "Content-Encoding 'gzip'"),
    ],
)
def test_other_types_are_refused(client: httpx.Client, headers: dict[str, str], told: str) -> None:
    answer = client.post("/predict", content=ROW, headers=headers)
    assert answer.status_code == 415
    assert told in answer.json()["error"]


def test_a_body_is_measured_whatever_its_header_says(client: httpx.Client) -> None:
    padded = ROW + b" " * (100_000 - len(ROW))
    assert client.post("/predict", content=padded, headers=JSON).status_code == 200

    def chunks(body: bytes) -> Iterator[bytes]:
        for start in range(0, len(body), 10_000):
            yield body[start : start + 10_000]

    assert client.post("/predict", content=chunks(padded), headers=JSON).status_code == 200
    for body in (padded + b" ", chunks(padded + b" ")):
        answer = client.post("/predict", content=body, headers=JSON)
        assert answer.status_code == 413
        assert answer.json()["error"].startswith("The body has more than 100000 bytes")


class Sender:
    """The receiving end of an ASGI request that sends `chunks` of 10 bytes and then nothing for ever."""

    def __init__(self, chunks: int, **headers: str) -> None:
        self.left, self.asked = chunks, 0
        headers = {"content_type": "application/json", **headers}
        raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        self.request = Request({"type": "http", "method": "POST", "headers": raw}, self._receive)

    async def _receive(self) -> dict[str, Any]:
        self.asked += 1
        if self.left == 0:
            await asyncio.Event().wait()
        self.left -= 1
        return {"type": "http.request", "body": b"0123456789", "more_body": True}


def test_reading_stops_with_the_first_byte_too_many() -> None:
    sender = Sender(1000)
    with pytest.raises(RequestError, match="more than 35 bytes") as refused:
        asyncio.run(read_body(sender.request, most_bytes=35))
    assert (refused.value.status, sender.asked) == (413, 4)
    declared = Sender(1000, content_length="36")
    with pytest.raises(RequestError, match="more than 35 bytes"):
        asyncio.run(read_body(declared.request, most_bytes=35))
    assert declared.asked == 0


def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BODY_SECONDS", 0.05)
    with pytest.raises(RequestError, match="Only 20 bytes of the body arrived") as refused:
        asyncio.run(read_body(Sender(2).request, most_bytes=35))
    assert refused.value.status == 408


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "Expecting value"),
        (b'{"a": 1', "Expecting"),
        (b'{"a": 1} {}', "Extra data"),
        (b'\xef\xbb\xbf{"a": 1}', "BOM"),
        ('{"a": 1}'.encode("utf-16"), "Byte 1 of the body is not UTF-8"),
        (b'{"a": "\xff"}', "Byte 8 of the body is not UTF-8"),
        (b"[" * 100_000, "nested"),
        (b'{"a":' * 100_000, "nested"),
        (b'{"a": 1, "b": {"c": 1, "c": 1}}', "'c' occurs twice"),
        (b'{"a": "\\ud83d"}', "half of a surrogate pair"),
        (b'{"\\uDE00": 1}', "half of a surrogate pair"),
        (b'{"a": Infinity}', "JSON has no Infinity"),
        (b'{"a": -Infinity}', "JSON has no -Infinity"),
        (b'{"a": NaN}', "JSON has no NaN"),
        (b"1" * 5000, "4300 digits"),
        (b'{"a": "\n"}', "control character"),
    ],
)
def test_what_is_no_json_or_has_two_meanings_is_refused(body: bytes, told: str) -> None:
    with pytest.raises(RequestError, match=told) as refused:
        parse(body)
    assert refused.value.status == 400
    assert len(refused.value.reason) < 300 and "\n" not in refused.value.reason


def test_other_json_is_read_as_it_is() -> None:
    for value in ({"a": "\U0001f600\u0000"}, [1, 2.5, None, True, 10**400], "\\ud800"):
        assert parse(json.dumps(value).encode()) == value
        assert parse(json.dumps(value, ensure_ascii=False).encode()) == value
