"""Time limits of connections: clients that send nothing, or slowly, or do not read, are disconnected after seconds."""

from __future__ import annotations

import asyncio
import sys

from uvicorn.protocols.http.h11_impl import H11Protocol

#: The most seconds from the opening of a connection, or the last answer on it, to the headers of the next request.
HEADER_SECONDS = 10.0
#: The most seconds that a client may take to read a waiting answer.
READ_SECONDS = 30.0
#: The file descriptors that are reserved for everything else.
_SPARE_FILES = 128
_MOST_CONNECTIONS = 10_000


class BoundedConnections(H11Protocol):
    """Uvicorn's HTTP/1.1 protocol with time limits; refused connections are logged once, until there is room again."""

    _full = False
    _waiting: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > most_connections():
            self._tell_once()
            transport.abort()
            return
        if len(self.connections) < most_connections() // 2:
            type(self)._full = False
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        self._read()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        before = self.cycle
        super().handle_events()
        if self.cycle is not before and not self.cycle.response_complete:
            self._forget()

    def on_response_complete(self) -> None:
        self._expect()
        super().on_response_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(READ_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._read()

    def _expect(self) -> None:
        self._forget()
        self._waiting = self.loop.call_later(HEADER_SECONDS, self._too_slow)

    def _forget(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _read(self) -> None:
        # The limit is not restarted by the next request: a client that sends many at once and reads no answer would
        # otherwise extend it each time.
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _too_slow(self) -> None:
        self.logger.info("A connection was closed: it sent no request in %d s.", HEADER_SECONDS)
        self.transport.abort()

    def _tell_once(self) -> None:
        if not self._full:
            type(self)._full = True
            self.logger.warning(
                "Connections beyond %d are closed at once, until there are fewer.", most_connections()
            )


def most_connections() -> int:
    """Return the number of connections that there are file descriptors for; accepting more would fail."""
    if sys.platform == "win32":
        return _MOST_CONNECTIONS
    import resource

    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return _MOST_CONNECTIONS
    return max(8, min(_MOST_CONNECTIONS, files - _SPARE_FILES))


__all__ = ["HEADER_SECONDS", "BoundedConnections", "most_connections"]
