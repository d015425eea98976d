"""The process of a server, from loading the bundle to the last answer after SIGTERM."""

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

#: For so many seconds after the signal connections are still accepted, so that those on their way are answered.
LEAVE_SECONDS = 0.3
#: An idle connection is closed after so many seconds.
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
    """Run the server; see `autofi.serving.serve`."""
    limits = limits or Limits()
    with _bound(host, port) as listener:
        predictor = load(directory)
        predictor.stop_after(limits.batch_seconds)
        model = ServedModel.of(predictor, name or directory.resolve().name)
        # The first row is slow, because it compiles code and allocates memory.
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
    """Return the address of the server, its model, and a command to try it with."""
    place = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    rows = {"rows": [example_row(model.schema)]}
    row = json.dumps(rows, ensure_ascii=False)
    # Escaped where the text holds control characters that a terminal would obey.
    body = shlex.quote(row if row.isprintable() else json.dumps(rows))
    fields = one_line(", ".join(f"{field.name} ({field.kind})" for field in model.schema.fields))
    return (
        f"Serving '{one_line(model.name)}' on {place} (Ctrl-C ends)\n"
        f"Fields: {fields}\n"
        f"Try: curl -s {place}/predict -H 'Content-Type: application/json' -d {body}"
    )


class _Server(uvicorn.Server):
    """A server that shuts down in steps: not ready, then no further connections, then the last answer; in time."""

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
        # Uvicorn's own handler would raise the signal again at the end, which gives the exit code of a failure.
        if self._life.ending:
            self.force_exit = self.should_exit = True
            return
        self._life.ending = True
        self._leave_at = time.monotonic() + min(LEAVE_SECONDS, self._shutdown_seconds / 2)
        end_in(self._shutdown_seconds)

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or time.monotonic() >= self._leave_at


def end_in(seconds: float) -> None:
    """End the process after so many seconds with exit code 1, even where a native call is stuck."""

    def end() -> None:
        sys.stderr.write(f"autofi: ended after {seconds:g} s, with requests that were not answered\n")
        sys.stderr.flush()
        os._exit(1)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    # This thread needs no lock of Python's, which a native call may hold.
    silent = os.open(os.devnull, os.O_WRONLY)
    faulthandler.dump_traceback_later(seconds + 1.0, exit=True, file=silent)


def _bound(host: str, port: int) -> socket.socket:
    """Return a socket at the address, taken before the model loads; connections are refused until it listens."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio turns off Nagle's algorithm, which could delay an answer by 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise ConfigError(
            f"The address {host}:{port} is not available ({reason}); choose another port (--port 0 finds one)."
        ) from error
    return listener


def _logging() -> dict[str, Any]:
    """Return Uvicorn's logging settings with nothing on standard output."""
    settings = copy.deepcopy(LOGGING_CONFIG)
    settings["handlers"]["access"]["stream"] = "ext://sys.stderr"
    return settings
