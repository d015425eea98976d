"""The state of a server, ready or ending, and its effect on connections."""

from __future__ import annotations

from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class ServerState:
    """The state of a server: ready until it ends and while scoring is not late; alive unless scoring stays late."""

    def __init__(self) -> None:
        self.ending = False
        self._late: Callable[[], float] = lambda: 0.0
        self._patience = 0.0

    def watch(self, late: Callable[[], float], *, patience: float) -> None:
        """Set the function that returns for how many seconds scoring is late; after `patience`, `live` is False."""
        self._late, self._patience = late, patience

    @property
    def ready(self) -> bool:
        return not self.ending and self._late() == 0.0

    @property
    def live(self) -> bool:
        late = self._late()
        return late == 0.0 or late < self._patience


class ClosedAtEnd:
    """A layer that asks clients to send no further requests on a connection once the server ends."""

    def __init__(self, app: ASGIApp, life: ServerState) -> None:
        self._app = app
        self._life = life

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start" and self._life.ending:
                MutableHeaders(scope=message)["connection"] = "close"
            await send(message)

        await self._app(scope, receive, closing if scope["type"] == "http" else send)
