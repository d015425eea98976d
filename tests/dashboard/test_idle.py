"""Connections to the dashboard on which nothing comes are closed, so that their threads end."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import pytest

from autofi.dashboard import server as serving
from autofi.dashboard.access import LOOPBACK

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"well"]


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: localhost\r\n"])
def test_a_connection_without_a_request_is_closed_and_nothing_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], sent: bytes
) -> None:
    monkeypatch.setattr(serving._Handler, "timeout", 0.5)
    with serving.listen(app, LOOPBACK, 0) as server, contextlib.ExitStack() as opened:
        serve = threading.Thread(target=server.serve_forever)
        serve.start()
        opened.callback(serve.join)
        opened.callback(server.shutdown)
        before = threading.active_count()
        address = (LOOPBACK, server.server_port)
        idle = [opened.enter_context(socket.create_connection(address, timeout=20)) for _ in range(5)]
        for connection in idle:
            connection.sendall(sent)
        assert [connection.recv(1) for connection in idle] == [b""] * 5
        until = time.monotonic() + 20
        while threading.active_count() > before and time.monotonic() < until:
            time.sleep(0.05)
        assert threading.active_count() == before
        with socket.create_connection(address, timeout=20) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert connection.makefile("rb").read().endswith(b"well")
    assert capsys.readouterr().err == ""
