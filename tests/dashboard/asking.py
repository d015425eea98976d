"""Asks a WSGI application as a browser would, without one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from wsgiref.util import setup_testing_defaults


@dataclass(frozen=True)
class Answer:
    """What came back; `headers` by their names in small letters."""

    status: str
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def fetch(app: Any, path: str, method: str = "GET", **headers: str) -> Answer:
    """The answer to a request of an unquoted path; `headers` by their names in WSGI without HTTP_."""
    environ: dict[str, Any] = {
        "PATH_INFO": path.encode().decode("latin-1"),
        "REQUEST_METHOD": method,
        **{f"HTTP_{name}": value for name, value in headers.items()},
    }
    setup_testing_defaults(environ)
    answered: list[Any] = []
    parts = app(environ, lambda status, given, *_: answered.append((status, given)))
    body = b"".join(parts)
    if hasattr(parts, "close"):
        parts.close()
    status, given = answered[-1]
    return Answer(status, {name.lower(): value for name, value in given}, body)
