"""One connection to an HTTP server, with as little of a client as measuring it takes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Self


class Connection:
    """Kept open from request to request; opened anew where the server has closed it."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End what is under way; the next request opens the connection anew."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def request(
        self, path: str, body: bytes, headers: Mapping[str, str], *, method: str = "POST"
    ) -> tuple[int, bytes]:
        """Status and body of the answer; raises OSError or EOFError where there is none."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address, limit=1 << 24)
        reader, writer = self._streams
        given = {"Host": "localhost", "Content-Length": str(len(body)), **headers}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
        answered = dict(line.split(": ", 1) for line in head[1:] if line)
        content = await reader.readexactly(int(answered.get("content-length", 0)))
        if answered.get("connection") == "close":
            self.close()
        return int(head[0].split()[1]), content
