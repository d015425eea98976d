"""Whether a server takes requests, and what it tells those that still come when it ends."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Life:
    """Ready until it is told to end."""

    def __init__(self) -> None:
        self.ending = False

    @property
    def ready(self) -> bool:
        return not self.ending


class ClosedAtEnd:
    """Asks clients not to send further requests on a connection once the server ends."""

    def __init__(self, app: ASGIApp, life: Life) -> None:
        self._app = app
        self._life = life

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start" and self._life.ending:
                MutableHeaders(scope=message)["connection"] = "close"
            await send(message)

        await self._app(scope, receive, closing if scope["type"] == "http" else send)
