"""A check of the Host header: without it, a web page could reach this server by pointing its own name at it."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from autofi.serving.protocol import Problem, respond
from autofi.serving.refusal import short

#: The entry that allows every name.
ANY = "*"
_OWN = ("localhost", "localhost.localdomain", "ip6-localhost")


class KnownHosts:
    """A layer that answers requests for other hosts with 421.

    Addresses are always allowed, because an attacker needs a name to point at this server.
    """

    def __init__(self, app: ASGIApp, host: str, allowed: Iterable[str] = ()) -> None:
        """`host` is the address that the server listens on."""
        self._app = app
        own = (host, *_OWN, socket.gethostname())
        self._names = {name.lower().rstrip(".") for name in (*own, *allowed)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._knows(Headers(scope=scope).get("host", "")):
            await self._app(scope, receive, send)
            return
        found = short(Headers(scope=scope).get("host", ""))
        problem = Problem(
            error=f"The Host '{found}' is not a name of this server; start it with --allowed-host to allow it."
        )
        await respond(problem, 421)(scope, receive, send)

    def _knows(self, host: str) -> bool:
        if not host or ANY in self._names:  # only HTTP/1.0 has no Host, and no browser sends that
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
