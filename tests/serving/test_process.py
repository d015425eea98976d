"""`autofi serve` as a process: it answers many clients at once, and everything it accepted before it ends."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest

from autofi import Predictor
from autofi.serving.protocol import Live
from tests.serving.servers import TOLERANCE, expected, rows_of, tensors_of

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
CLIENTS = 16


@contextmanager
def started(bundle: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """A server on a free port, its URL and what it said when it was ready; killed at the end if it still runs."""
    command = [sys.executable, "-m", "autofi", "serve", str(bundle), "--port", "0", *options]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    )
    try:
        assert process.stderr is not None
        said = ""
        while "Try: " not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        url = re.search(r"on (http://127\.0\.0\.1:\d+) ", said)
        assert url is not None, said
        yield process, url[1], said
    finally:
        process.kill()
        process.communicate()


def test_a_server_answers_many_clients_and_ends_with_exit_code_0(bundle: Path, predictor: Predictor) -> None:
    rows = rows_of(4 * CLIENTS)
    wanted = expected(predictor, rows)
    with (
        started(bundle, "--name", "clicks") as (process, url, said),
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        assert "Serving 'clicks'" in said and "price (numeric)" in said
        assert Live.model_validate(client.get("/v2/health/live").json()).live
        assert client.get("/v2/models/clicks/ready").json() == {"name": "clicks", "ready": True}
        command = said.partition("Try: ")[2].strip()
        tried = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
        assert re.fullmatch(r'\{"probabilities":\[0\.\d+\]\}', tried.stdout)

        def ask(number: int) -> list[float]:
            mine = rows[4 * number : 4 * number + 4]
            found: list[float] = []
            with httpx.Client(base_url=url, timeout=60) as own:
                for row in mine[:2]:
                    found += own.post("/predict", json={"rows": [row]}).json()["probabilities"]
                inputs = tensors_of(mine[2:], predictor.schema)
                answer = own.post("/v2/models/clicks/infer", json={"inputs": inputs}).json()
                return found + list(answer["outputs"][0]["data"])

        with ThreadPoolExecutor(CLIENTS) as threads:
            found = np.concatenate(list(threads.map(ask, range(CLIENTS))))
        np.testing.assert_allclose(found, wanted, rtol=0, atol=TOLERANCE)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
        assert (process.returncode, output, errors) == (0, "", "")


def test_what_was_accepted_before_sigterm_is_answered(bundle: Path, predictor: Predictor) -> None:
    rows = rows_of(1000) * 2
    wanted = expected(predictor, rows[:1])[0]
    with started(bundle, "--max-batch", "1", "--shutdown-timeout", "60s") as (process, url, _):
        accepted = threading.Barrier(CLIENTS + 1)

        async def ask() -> list[float]:
            host, port = url.removeprefix("http://").split(":")
            body = httpx.Request("POST", url, json={"rows": rows}).content
            reader, writer = await asyncio.open_connection(host, int(port))
            kind = "Content-Type: application/json"
            lines = (
                "POST /predict HTTP/1.1",
                "Host: localhost",
                kind,
                f"Content-Length: {len(body)}",
                "",
                "",
            )
            writer.write("\r\n".join(lines).encode() + body)
            await writer.drain()
            await asyncio.to_thread(accepted.wait, 60)
            answer = await reader.read()  # until the server closes the connection
            writer.close()
            head, _, content = answer.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200") and b"connection: close" in head.lower(), head
            return list(httpx.Response(200, content=content).json()["probabilities"])

        with ThreadPoolExecutor(CLIENTS) as threads:
            answers = [threads.submit(lambda: asyncio.run(ask())) for _ in range(CLIENTS)]
            accepted.wait(60)
            process.send_signal(signal.SIGTERM)
            for answer in answers:
                assert len(answer.result()) == len(rows)
                assert answer.result()[0] == pytest.approx(wanted, abs=TOLERANCE)
        output, errors = process.communicate(timeout=60)
        assert (process.returncode, output, errors) == (0, "", "")
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=5).close()


def test_what_cannot_be_served_is_one_line_and_exit_code_2(bundle: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for arguments, told in (
            ((str(bundle), "--port", port), f"127.0.0.1:{port} is not available"),
            ((str(tmp_path / "none"), "--port", "0"), "does not exist"),
            ((str(bundle), "--host", "nowhere.invalid", "--port", "0"), "nowhere.invalid:0 is not available"),
        ):
            command = [sys.executable, "-m", "autofi", "serve", *arguments]
            ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            assert (ended.returncode, ended.stdout) == (2, ""), ended.stderr
            (line,) = ended.stderr.splitlines()
            assert line.startswith("autofi: error: ") and told in line
