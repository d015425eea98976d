"""A server process: from a bundle's folder to the last answer after SIGTERM."""

from __future__ import annotations

import copy
import faulthandler
import json
import os
import shlex
import socket
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.config import LOGGING_CONFIG

from autofi.bundle.load import load
from autofi.core.one_line import one_line
from autofi.errors import ConfigError
from autofi.serving.app import create_app
from autofi.serving.arrow_columns import missing_row
from autofi.serving.connection_limits import BoundedConnections
from autofi.serving.html_pages import example_row
from autofi.serving.limits import Limits
from autofi.serving.served_model import ServedModel
from autofi.serving.shutdown import ServerState

#: From the signal until no further connection is taken: those that were on their way are answered.
LEAVE_SECONDS = 0.3
#: Until a connection on which nothing comes is closed.
KEEP_ALIVE_SECONDS = 5
_BACKLOG = 2048


def run(
    directory: Path,
    *,
    host: str,
    port: int,
    name: str | None,
    limits: Limits | None,
    log_level: str,
    allowed_hosts: Sequence[str] = (),
) -> None:
    """See `autofi.serving.serve`."""
    limits = limits or Limits()
    with _bound(host, port) as listener:
        predictor = load(directory)
        predictor.stop_after(limits.batch_seconds)
        model = ServedModel.of(predictor, name or directory.resolve().name)
        # The first rows are slow: they are compiled for, and memory is touched.
        model.score(missing_row(model.schema))
        life = ServerState()
        config = uvicorn.Config(
            create_app(model, limits, life, host=host, allowed_hosts=allowed_hosts),
            http=BoundedConnections,
            log_level=log_level,
            log_config=_logging(),
            access_log=log_level in ("info", "debug"),
            backlog=_BACKLOG,
            ws="none",
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=max(1, int(limits.shutdown_seconds - 1)),
        )
        _Server(config, life, limits.shutdown_seconds, welcome(model, host, listener.getsockname()[1])).run(
            [listener]
        )


def welcome(model: ServedModel, host: str, port: int) -> str:
    """Where the server is, what it serves and a command to try it with."""
    place = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    rows = {"rows": [example_row(model.schema)]}
    row = json.dumps(rows, ensure_ascii=False)
    # With escapes where JSON may hold what a terminal obeys as it is: controls beyond ASCII.
    body = shlex.quote(row if row.isprintable() else json.dumps(rows))
    fields = one_line(", ".join(f"{field.name} ({field.kind})" for field in model.schema.fields))
    return (
        f"Serving '{one_line(model.name)}' on {place} (Ctrl-C ends)\n"
        f"Fields: {fields}\n"
        f"Try: curl -s {place}/predict -H 'Content-Type: application/json' -d {body}"
    )


class _Server(uvicorn.Server):
    """Ends in steps: not ready, then no further connections, then the last answer; and in time, whatever runs."""

    def __init__(
        self, config: uvicorn.Config, life: ServerState, shutdown_seconds: float, welcome: str
    ) -> None:
        super().__init__(config)
        self._life = life
        self._shutdown_seconds = shutdown_seconds
        self._welcome = welcome
        self._leave_at = float("inf")

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        sys.stderr.write(self._welcome + "\n")
        sys.stderr.flush()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Uvicorn raises the signal again once it has ended: that would be the exit code of a failure.
        if self._life.ending:
            self.force_exit = self.should_exit = True
            return
        self._life.ending = True
        self._leave_at = time.monotonic() + min(LEAVE_SECONDS, self._shutdown_seconds / 2)
        end_in(self._shutdown_seconds)

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or time.monotonic() >= self._leave_at


def end_in(seconds: float) -> None:
    """End the process then, with exit code 1, unless it has ended before: a native call that is stuck ends it not."""

    def end() -> None:
        sys.stderr.write(f"autofi: ended after {seconds:g} s, with requests that were not answered\n")
        sys.stderr.flush()
        os._exit(1)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    # Of a thread that needs no lock of Python's, should a native call hold it.
    silent = os.open(os.devnull, os.O_WRONLY)
    faulthandler.dump_traceback_later(seconds + 1.0, exit=True, file=silent)


def _bound(host: str, port: int) -> socket.socket:
    """Return a socket at the address, before the work of loading; connections are refused until it listens."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio turns Nagle's algorithm off: an answer would wait 40 ms for the client's receipt.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise ConfigError(
            f"Serving needs a free port: {host}:{port} cannot be had ({reason}); choose another (--port 0 finds one)."
        ) from error
    return listener


def _logging() -> dict[str, Any]:
    """As Uvicorn's own, with nothing on standard output."""
    settings = copy.deepcopy(LOGGING_CONFIG)
    settings["handlers"]["access"]["stream"] = "ext://sys.stderr"
    return settings
