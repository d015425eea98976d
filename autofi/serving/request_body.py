"""The body of a request as a JSON document, refused as early as can be told."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any, NoReturn

from starlette.datastructures import Headers
from starlette.requests import Request

from autofi.serving.binary_tensors import HEADER
from autofi.serving.refusal import RequestError, short

#: What a client may take to send a body.
BODY_SECONDS = 20.0
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_JSON = "application/json"
_BINARY = "application/octet-stream"


async def read_body(request: Request, *, most_bytes: int) -> bytes:
    """Return the bytes of a JSON body; raises Refusal before any is read, or as soon as there are too many."""
    headers = request.headers
    _check_type(headers)
    too_large = RequestError(413, f"A request has at most {most_bytes} bytes: send fewer rows at a time.")
    declared = headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > most_bytes:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most_bytes:
                    raise too_large
    except TimeoutError:
        raise RequestError(
            408, f"A body is sent within {BODY_SECONDS:.0f} seconds: only {len(body)} bytes came."
        ) from None
    return bytes(body)


def parse(body: bytes) -> Any:
    """Return a JSON document with nothing that could be read in two ways; raises Refusal."""
    try:
        document = json.loads(body.decode(), object_pairs_hook=_unique, parse_constant=_no_number)
        if _SURROGATE.search(body):
            # Only halves of a pair fail here; a whole pair is one character by now.
            json.dumps(document, ensure_ascii=False).encode()
    except UnicodeDecodeError as error:
        raise RequestError(400, f"A body is JSON in UTF-8: byte {error.start + 1} is not.") from None
    except UnicodeEncodeError:
        raise RequestError(
            400, "A text is of whole characters: found half of a surrogate pair, such as \\ud800."
        ) from None
    except RecursionError:
        raise RequestError(
            400, "A body is nested as deep as its lists of values: found hundreds of levels."
        ) from None
    except ValueError as error:
        raise RequestError(400, f"A body is JSON: {error}.") from None
    return document


def _check_type(headers: Headers) -> None:
    if "content-type" not in headers and HEADER not in headers:
        # A form of another website's page needs none of the two; what sends either, browsers ask us about first.
        raise RequestError(415, f"A body says what it is: send the header Content-Type: {_JSON}.")
    kind, *parameters = (part.strip().lower() for part in headers.get("content-type", _BINARY).split(";"))
    charsets = [
        value.strip('"') for key, _, value in (part.partition("=") for part in parameters) if key == "charset"
    ]
    known = kind == _JSON or (kind == _BINARY and HEADER in headers)
    if not known or any(charset not in ("utf-8", "utf8") for charset in charsets):
        found = short(headers["content-type"])
        raise RequestError(
            415, f"A body is JSON in UTF-8: found '{found}'; send the header Content-Type: {_JSON}."
        )
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        raise RequestError(
            415, f"A body is sent as it is: found Content-Encoding '{short(encoding)}'; leave it out."
        )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise RequestError(400, f"An object has each key once: '{short(twice)}' is there twice.")
    return found


def _no_number(text: str) -> NoReturn:
    raise RequestError(400, f"JSON has no {text}: leave the value out, or send null.")
