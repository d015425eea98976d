"""What surrounds the answers: metrics, readiness, overload, failures and unknown places."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx
import numpy as np
import pyarrow as pa
import pytest

from autofi.serving.app import create_app
from autofi.serving.limits import Limits
from autofi.serving.served_model import Floats, ServedModel
from autofi.serving.shutdown import ServerState
from tests.serving.servers import running

ROW = {"rows": [{"city": "a"}]}


class Gate:
    """The model behind a gate: it scores when it may, and fails when told to."""

    def __init__(self, served: ServedModel) -> None:
        self.open = threading.Event()
        self.begun = threading.Event()
        self.failing = False
        self._score = served.score
        self.served = replace(served, score=self.score)

    def score(self, table: pa.Table) -> Floats:
        self.begun.set()
        assert self.open.wait(60)
        if self.failing:
            raise RuntimeError("the model failed")
        return self._score(table)


@pytest.fixture
def gate(served: ServedModel) -> Iterator[Gate]:
    gate = Gate(served)
    yield gate
    gate.open.set()


def figure(client: httpx.Client, pattern: str) -> float:
    found = re.search(rf"^{pattern} (\S+)$", client.get("/metrics").text, re.MULTILINE)
    assert found is not None, pattern
    return float(found[1])


def test_metrics_count_requests_rows_and_batches(served: ServedModel) -> None:
    with running(create_app(served)) as client:
        for rows in (1, 3, 3):
            client.post("/predict", json={"rows": ROW["rows"] * rows})
        client.post("/predict", json={"rows": []})
        client.get("/v2/models/ctr"), client.get("/v2/models/nobody"), client.get("/nowhere/at/all")
        assert figure(client, r'autofi_requests_total\{route="/predict",status="200"\}') == 3
        assert figure(client, r'autofi_requests_total\{route="/predict",status="400"\}') == 1
        assert figure(client, r'autofi_requests_total\{route="/v2/models/\{name\}",status="404"\}') == 1
        assert figure(client, r'autofi_requests_total\{route="none",status="404"\}') == 1
        assert figure(client, r'autofi_request_seconds_count\{route="/predict"\}') == 4
        assert figure(client, "autofi_rows_total") == 7
        assert figure(client, "autofi_batch_rows_sum") == 7
        assert figure(client, "autofi_batch_requests_count") == 3
        assert figure(client, "autofi_requests_in_flight") == 1  # this one
        build = re.search(r"^autofi_build_info\{(.*)\} 1.0$", client.get("/metrics").text, re.MULTILINE)
        assert build is not None
        labels = f'architecture="{served.architecture}",model="ctr",study="mine",version="0.1.0"'
        assert build[1] == labels


def test_a_server_that_ends_is_alive_but_not_ready_and_closes_its_connections(served: ServedModel) -> None:
    life = ServerState()
    with running(create_app(served, life=life)) as client:
        assert client.get("/v2/health/ready").status_code == 200
        life.ending = True
        for place in ("/v2/health/ready", "/v2/models/ctr/ready"):
            answer = client.get(place)
            assert (answer.status_code, answer.json()["ready"]) == (503, False)
            assert answer.headers["connection"] == "close"
        assert client.get("/v2/health/live").json() == {"live": True}
        assert client.post("/predict", json=ROW).status_code == 200


def test_too_many_requests_are_told_to_come_again(gate: Gate) -> None:
    limits = Limits(waiting=2)
    with running(create_app(gate.served, limits)) as client, ThreadPoolExecutor(3) as threads:
        first = threads.submit(client.post, "/predict", json=ROW)
        assert gate.begun.wait(60)
        waiting = [threads.submit(client.post, "/predict", json=ROW) for _ in range(2)]
        while figure(client, "autofi_requests_in_flight") < 4:
            pass
        answer = client.post("/predict", json=ROW)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert "try again" in answer.json()["error"]
        gate.open.set()
        assert [future.result().status_code for future in (first, *waiting)] == [200, 200, 200]


def test_a_large_body_is_read_beside_and_scored_the_same(served: ServedModel) -> None:
    with running(create_app(served)) as client:
        rows = [{"city": "a", "filler": "x" * 100}] * 2000
        found = client.post("/predict", json={"rows": rows}).json()["probabilities"]
        one = client.post("/predict", json=ROW).json()["probabilities"]
        np.testing.assert_allclose(found, one * 2000, rtol=0, atol=1e-6)


def test_a_model_that_fails_is_the_servers_fault_and_told_without_details(gate: Gate) -> None:
    gate.open.set()
    gate.failing = True
    with running(create_app(gate.served)) as client:
        answer = client.post("/predict", json=ROW)
        assert (answer.status_code, answer.json()) == (
            500,
            {"error": "The server failed; its log has the details."},
        )
        # Else the next request may go out on a connection that the server is about to close.
        assert answer.headers["connection"] == "close"
        gate.failing = False
        assert client.post("/predict", json=ROW).status_code == 200


@pytest.mark.parametrize(
    ("method", "place", "status"),
    [
        ("GET", "/redoc", 404),
        ("GET", "/predict", 405),
        ("POST", "/v2/health/live", 405),
        ("GET", "/v2/", 404),
        ("POST", "/v2/models/other/infer", 404),
    ],
)
def test_unknown_places_and_methods_are_answered_in_json(
    client: httpx.Client, method: str, place: str, status: int
) -> None:
    answer = client.request(method, place)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
