"""The body of a request as a JSON document, refused as early as possible."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any, NoReturn

from starlette.datastructures import Headers
from starlette.requests import Request

from autofi.serving.binary_tensors import HEADER
from autofi.serving.refusal import RequestError, short

#: The most seconds that a client may take to send a body.
BODY_SECONDS = 20.0
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_JSON = "application/json"
_BINARY = "application/octet-stream"


async def read_body(request: Request, *, most_bytes: int) -> bytes:
    """Return the bytes of a JSON body.

    Raises:
        RequestError: The headers are wrong, or the body is too large or too slow; raised as early as possible.
    """
    headers = request.headers
    _check_type(headers)
    too_large = RequestError(413, f"The body has more than {most_bytes} bytes; send fewer rows at a time.")
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
            408,
            f"Only {len(body)} bytes of the body arrived within {BODY_SECONDS:.0f} seconds; send it faster.",
        ) from None
    return bytes(body)


def parse(body: bytes) -> Any:
    """Return a JSON document; raise RequestError for invalid JSON, and for JSON that can be read in two ways."""
    try:
        document = json.loads(body.decode(), object_pairs_hook=_unique, parse_constant=_no_number)
        if _SURROGATE.search(body):
            # Only half a pair fails here; json.loads has made one character of a whole pair.
            json.dumps(document, ensure_ascii=False).encode()
    except UnicodeDecodeError as error:
        raise RequestError(
            400, f"Byte {error.start + 1} of the body is not UTF-8; send JSON in UTF-8."
        ) from None
    except UnicodeEncodeError:
        raise RequestError(
            400, "A text holds half of a surrogate pair, such as \\ud800; send whole characters."
        ) from None
    except RecursionError:
        raise RequestError(
            400, "The body is nested hundreds of levels deep; send lists of values only."
        ) from None
    except ValueError as error:
        raise RequestError(400, f"The body is not JSON: {error}.") from None
    return document


def _check_type(headers: Headers) -> None:
    if "content-type" not in headers and HEADER not in headers:
        # A form on another website can send neither header; a script that sends one needs our permission first (CORS).
        raise RequestError(415, f"The body has no type; send the header Content-Type: {_JSON}.")
    kind, *parameters = (part.strip().lower() for part in headers.get("content-type", _BINARY).split(";"))
    charsets = [
        value.strip('"') for key, _, value in (part.partition("=") for part in parameters) if key == "charset"
    ]
    known = kind == _JSON or (kind == _BINARY and HEADER in headers)
    if not known or any(charset not in ("utf-8", "utf8") for charset in charsets):
        found = short(headers["content-type"])
        raise RequestError(
            415,
            f"The type of the body is '{found}', not JSON in UTF-8; send the header Content-Type: {_JSON}.",
        )
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        raise RequestError(415, f"The Content-Encoding '{short(encoding)}' is not supported; leave it out.")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise RequestError(400, f"The key '{short(twice)}' occurs twice in an object; send it once.")
    return found


def _no_number(text: str) -> NoReturn:
    raise RequestError(400, f"JSON has no {text}; leave the value out, or send null.")
