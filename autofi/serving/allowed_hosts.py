"""Requests whose Host is another's name: a page on the web could point a name of its own at this server."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from autofi.serving.protocol import Problem, respond
from autofi.serving.refusal import short

#: Allows every name.
ANY = "*"
_OWN = ("localhost", "localhost.localdomain", "ip6-localhost")


class KnownHosts:
    """Answers requests for other hosts than these with 421.

    An address is never another's name: whoever has to point a name at this server cannot use one.
    """

    def __init__(self, app: ASGIApp, host: str, allowed: Iterable[str] = ()) -> None:
        """`host` is where the server listens."""
        self._app = app
        own = (host, *_OWN, socket.gethostname())
        self._names = {name.lower().rstrip(".") for name in (*own, *allowed)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._knows(Headers(scope=scope).get("host", "")):
            await self._app(scope, receive, send)
            return
        found = short(Headers(scope=scope).get("host", ""))
        problem = Problem(
            error=f"This server answers to its own names: found the Host '{found}'; start it with --allowed-host "
            "for another."
        )
        await respond(problem, 421)(scope, receive, send)

    def _knows(self, host: str) -> bool:
        if not host or ANY in self._names:  # of HTTP/1.0, which no browser sends
            return True
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        except ValueError:
            return False
        return name in self._names or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
