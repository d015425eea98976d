"""Whatever clients and scoring do, a server tells how it is, keeps others served, and ends when it is told to."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from autofi.serving import connection_limits as connections
from autofi.serving.app import create_app
from autofi.serving.limits import Limits
from autofi.serving.served_model import ServedModel
from tests.serving.servers import running
from tests.serving.test_app import ROW, Gate, figure
from tests.serving.test_process import ROOT

#: A server of the bundle whose model sleeps for requests of two rows, in native code.
STUCK = """
import ctypes, sys
from dataclasses import replace
from pathlib import Path
from autofi.serving import server
from autofi.serving.limits import Limits
from autofi.serving.served_model import ServedModel

def of(predictor, name):
    model = real(predictor, name)
    sleep = ctypes.CDLL(None).sleep
    return replace(model, score=lambda table: sleep(600) if table.num_rows == 2 else model.score(table))

real, ServedModel.of = ServedModel.of, of
limits = Limits(batch_seconds=float(sys.argv[2]), shutdown_seconds=float(sys.argv[3]))
server.run(Path(sys.argv[1]), host="127.0.0.1", port=0, name="ctr", limits=limits, log_level="info")
"""


@contextmanager
def stuck_server(bundle: Path, batch: float, shutdown: float) -> Iterator[tuple[subprocess.Popen[str], int]]:
    process = subprocess.Popen(
        [sys.executable, "-c", STUCK, str(bundle), str(batch), str(shutdown)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        said = ""
        while "Try: " not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        port = re.search(r"on http://127\.0\.0\.1:(\d+) ", said)
        assert port is not None
        yield process, int(port[1])
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_in_time_though_a_native_call_is_stuck(bundle: Path, sign: int) -> None:
    with stuck_server(bundle, batch=0.5, shutdown=2.0) as (process, port):
        url = f"http://127.0.0.1:{port}"
        answer = httpx.post(f"{url}/predict", json={"rows": ROW["rows"] * 2}, timeout=60)
        assert answer.status_code == 504 and "longer than 0.5 s" in answer.json()["error"]
        assert httpx.get(f"{url}/v2/health/ready").status_code == 503
        asked = time.monotonic()
        process.send_signal(sign)
        assert process.wait(timeout=30) == 1
        assert time.monotonic() - asked < 2.0 + 3.0
        assert process.stderr is not None
        assert "autofi: ended after 2 s, with requests that were not answered" in process.stderr.read()


def test_a_batch_that_is_late_is_given_up_and_health_says_so(served: ServedModel) -> None:
    gate = Gate(served)
    limits = Limits(batch_seconds=0.3, window=0.0, batch_rows=1)
    with running(create_app(gate.served, limits)) as client, ThreadPoolExecutor(3) as threads:
        try:
            first = threads.submit(client.post, "/predict", json=ROW)
            assert gate.begun.wait(60)
            second = threads.submit(client.post, "/predict", json=ROW)
            assert (first.result().status_code, second.result().status_code) == (504, 503)
            for place in ("/v2/health/ready", "/v2/models/ctr/ready"):
                assert (client.get(place).status_code, client.get(place).json()["ready"]) == (503, False)
            late = client.post("/predict", json=ROW)
            assert (late.status_code, late.headers["retry-after"]) == (503, "5")
            # Late for as long again: only a restart may help.
            until = time.monotonic() + 30
            while client.get("/v2/health/live").status_code == 200:
                assert time.monotonic() < until
            assert client.get("/v2/health/live").json() == {"live": False}
        finally:
            gate.open.set()
        until = time.monotonic() + 30
        while client.get("/v2/health/ready").status_code == 503:
            assert time.monotonic() < until
        assert client.get("/v2/health/live").json() == {"live": True}
        assert client.post("/predict", json=ROW).status_code == 200
        assert figure(client, r'autofi_requests_total\{route="/predict",status="504"\}') == 1


def test_a_model_that_is_stopped_is_told_to_its_own_batch_only(served: ServedModel) -> None:
    from autofi.bundle.scorer import ScoringTimeError

    calls = []

    def score(table: object) -> object:
        calls.append(table)
        raise ScoringTimeError("The model did not in 1 s.")

    with running(create_app(replace(served, score=score), Limits())) as client:  # type: ignore[arg-type]
        answer = client.post("/predict", json=ROW)
        assert (answer.status_code, answer.json()) == (504, {"error": "The model did not in 1 s."})
    assert len(calls) == 1


# Connections.


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADER_SECONDS", 1.0)


def lasts(client: httpx.Client, *parts: bytes, pause: float = 0.2) -> float:
    """Seconds until the server closes a connection on which these bytes are sent, the last of them over and over."""
    port = int(client.base_url.port or 0)
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=pause) as connection:
        number = 0
        while time.monotonic() - begun < 20:
            try:
                with contextlib.suppress(TimeoutError):
                    if not connection.recv(65536):
                        break
                if parts:
                    connection.sendall(parts[min(number, len(parts) - 1)])
            except OSError:
                break
            number += 1
    return time.monotonic() - begun


HEAD = b"POST /predict HTTP/1.1\r\nHost: localhost\r\n"
WHOLE = b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize(
    "parts",
    [(), (b"P", b"O", b"S"), (HEAD, b"X-Slow: 1\r\n"), (WHOLE, b""), (WHOLE, b"G", b"E", b"T"), (b"\r\n",)],
    ids=["silent", "letter by letter", "endless headers", "idle after an answer", "slow after an answer",
         "empty lines"],
)  # fmt: skip
def test_connections_on_which_no_request_comes_are_closed_in_seconds(
    served: ServedModel, quick: None, parts: tuple[bytes, ...]
) -> None:
    from autofi.serving.connection_limits import BoundedConnections

    with running(create_app(served), http=BoundedConnections) as client:
        assert lasts(client, *parts) < 1.0 + 6.0 + 3.0
        assert client.get("/v2/health/live").status_code == 200


def test_a_slow_body_is_closed_too(served: ServedModel, quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from autofi.serving.connection_limits import BoundedConnections

    monkeypatch.setattr("autofi.serving.request_body.BODY_SECONDS", 1.0)
    head = HEAD + b"Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
    with running(create_app(served), http=BoundedConnections) as client:
        assert lasts(client, head, b" ") < 10.0


def test_who_asks_and_asks_and_never_reads_is_closed_too(
    served: ServedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    from autofi.serving.connection_limits import BoundedConnections

    monkeypatch.setattr(connections, "READ_SECONDS", 1.0)
    many = b"GET /docs HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200
    with (
        running(create_app(served), http=BoundedConnections) as client,
        socket.create_connection(("127.0.0.1", int(client.base_url.port or 0)), timeout=0.2) as connection,
    ):
        until, closed = time.monotonic() + 20, False
        while time.monotonic() < until and not closed:
            try:
                with contextlib.suppress(TimeoutError):
                    connection.sendall(many)
            except ConnectionError:
                closed = True
        assert closed
        assert client.get("/v2/health/live").status_code == 200


def test_more_connections_than_there_is_room_for_are_told_of_once(
    served: ServedModel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from autofi.serving.connection_limits import BoundedConnections

    monkeypatch.setattr(connections, "most_connections", lambda: 10)
    monkeypatch.setattr(BoundedConnections, "_full", False)
    with running(create_app(served), http=BoundedConnections) as client, contextlib.ExitStack() as opened:
        port = int(client.base_url.port or 0)
        connected = [
            opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10)) for _ in range(40)
        ]
        # All were accepted before there are fewer: those beyond the limit are closed by the server.
        for connection in connected[10:]:
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(1) == b""
        opened.close()
        until = time.monotonic() + 20
        while True:
            with contextlib.suppress(httpx.TransportError):
                assert client.get("/v2/health/live").status_code == 200
                break
            assert time.monotonic() < until
    told = [record for record in caplog.records if "closed at once" in record.getMessage()]
    assert len(told) == 1


# Names.


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost", 200), ("LOCALHOST:8080", 200), ("127.0.0.1:1", 200), ("[::1]:9", 200), ("10.1.2.3", 200),
     ("localhost.", 200), ("ads.example", 200), ("evil.example", 421), ("localhost.evil.example", 421),
     ("127.0.0.1.evil.example", 421), ("evil.example:8080", 421), ("[", 421), ("a@localhost.evil", 421),
     ("ads.example.evil", 421)],
)  # fmt: skip
def test_requests_for_another_host_are_refused(served: ServedModel, host: str, status: int) -> None:
    with running(create_app(served, allowed_hosts=("ads.example",))) as client:
        named = {"Host": host}
        for answer in (
            client.get("/v2/health/live", headers=named),
            client.post("/predict", json=ROW, headers=named),
        ):
            assert answer.status_code == status
            if status == 421:
                assert "--allowed-host" in answer.json()["error"]


def test_any_host_may_be_allowed(served: ServedModel) -> None:
    with running(create_app(served, allowed_hosts=("*",))) as client:
        assert client.get("/v2/health/live", headers={"Host": "any.example"}).status_code == 200


# Lists.


def test_lists_without_measure_are_refused_and_others_cost_what_they_are_long(
    served: ServedModel,
) -> None:
    with running(create_app(served)) as client:
        answer = client.post("/predict", json={"rows": [{"tags": [1] * 5_000_000}]}, timeout=120)
        assert answer.status_code == 413 and "has 5,000,000 values" in answer.json()["error"]
        rows = [{"tags": ["a", "b"]}] * 999
        rows += [{"tags": ["a", "b", *["never"] * 49_998]}]
        begun = time.process_time()
        answer = client.post("/predict", json={"rows": rows}, timeout=120)
        assert answer.status_code == 200
        assert time.process_time() - begun < 10
        found = answer.json()["probabilities"]
        assert found[0] == pytest.approx(found[998], abs=1e-6) and found[999] != pytest.approx(
            found[0], abs=1e-9
        )


def test_what_ends_a_process_does_not_outlive_it() -> None:
    code = "from autofi.serving.server import end_in; end_in(30.0)"
    begun = time.monotonic()
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0
    assert time.monotonic() - begun < 25
    assert not [thread for thread in threading.enumerate() if "Timer" in thread.name]
