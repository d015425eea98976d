"""An experiment of NNI for the search: proposals come in, and each waits for its answer."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from autofi.errors import EngineError
from autofi.nni.interpreter import environment
from autofi.nni.search_space_document import Document
from autofi.nni.trial_relay import REPORTED

HOST = Path(__file__).with_name("host.py")
#: Seconds for the manager to start, and for a proposal after all the others have been answered.
PATIENCE = 180.0
#: Seconds for a relay to pass on an answer.
PASSING = 30.0
#: Seconds for the experiment to end in good order.
GOODBYE = 40.0


@dataclass(frozen=True)
class Order:
    """The settings of an experiment; `known` are parameters and values that its tuner is told."""

    name: str
    folder: Path
    space: Document
    tuner: str
    arguments: Mapping[str, Any]
    at_once: int = 1
    known: Sequence[tuple[Mapping[str, Any], float]] = ()

    def to_json(self) -> dict[str, Any]:
        known = [{"parameter": dict(parameters), "value": value} for parameters, value in self.known]
        return {**self.__dict__, "folder": str(self.folder), "known": known}


class Proposed:
    """Parameters with which a trial of NNI waits."""

    def __init__(self, trial: str, parameters: Mapping[str, Any], relay: Connection) -> None:
        self.trial, self.parameters, self._relay = trial, parameters, relay

    def answer(self, value: float) -> None:
        """Send their value, and return when the tuner's manager has it; do nothing if the trial is gone."""
        self._send({"value": value})

    def refuse(self, reason: str) -> None:
        """Report that they gave no value: the trial fails in NNI."""
        self._send({"error": reason})

    def _send(self, answer: dict[str, Any]) -> None:
        try:
            with self._relay:
                self._relay.send_bytes(json.dumps(answer).encode())
                if self._relay.poll(PASSING):
                    assert self._relay.recv_bytes() == REPORTED
        except (EOFError, OSError):
            # A user ended the trial in the portal; its record is kept here.
            return


class Experiment:
    """A running experiment, which starts when entered and ends when left.

    Attributes:
        id: NNI's name of it.
        url: The address of its portal, on this machine only; anyone with an account on the machine may use it.
        log: The folder with the logs of the manager and the tuner.
    """

    def __init__(self, python: Path, order: Order) -> None:
        self._python, self._order = python, order
        self._events: queue.Queue[Proposed | dict[str, Any]] = queue.Queue()
        self._waiting: list[Proposed] = []
        self.id, self.url, self.log = "", "", order.folder
        self.is_exhausted = False
        self._told = not order.known
        self._manager: int | None = None

    def __enter__(self) -> Self:
        # The socket is in a folder of this user's own: it needs no port, and no other user's process can connect.
        self._sockets = Path(tempfile.mkdtemp(prefix="autofi-nni-"))
        self._listener = Listener(str(self._sockets / "s"), "AF_UNIX", backlog=64)
        threading.Thread(target=self._accept, daemon=True).start()
        self._order.folder.mkdir(parents=True, exist_ok=True)
        self._said = (self._order.folder / "host.log").open("ab")
        self._host = subprocess.Popen(
            [str(self._python), str(HOST)],
            env={**environment(self._python), "AUTOFI_NNI_SOCKET": str(self._sockets / "s")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            # Ctrl-C is for the search, which then ends the experiment in good order.
            start_new_session=True,
        )
        threading.Thread(target=self._follow, daemon=True).start()
        try:
            self._write(json.dumps(self._order.to_json()))
            if not self._next(PATIENCE):
                raise EngineError(self._message("NNI's manager", f"it did not start within {PATIENCE:.0f} s"))
        except BaseException:
            self._end(kill=True)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(kill=error is not None)

    def next(self, seconds: float = PATIENCE) -> Proposed | None:
        """Return the next proposal, as soon as there is one; None if the tuner has no more.

        Raises:
            EngineError: The manager or the tuner died or failed, which is noticed within seconds, or nothing has been
                proposed for `seconds`.
        """
        until = time.monotonic() + seconds
        # No trial is answered before the tuner knows the earlier trials: it would be asked for more meanwhile.
        while not (self._told and (self._waiting or self.is_exhausted)):
            if not self._next(until - time.monotonic()):
                raise EngineError(self._message("NNI's tuner", f"it proposed nothing for {seconds:.0f} s"))
        return self._waiting.pop(0) if self._waiting else None

    def _next(self, seconds: float) -> bool:
        """Take in one event; return False if there is none."""
        try:
            event = self._events.get(timeout=max(0.0, seconds))
        except queue.Empty:
            return False
        if isinstance(event, Proposed):
            self._waiting.append(event)
        elif event["event"] == "started":
            self.id, self.url = event["id"], f"http://127.0.0.1:{event['port']}"
            self.log, self._manager = Path(event["log"]), event["manager"]
        elif event["event"] == "told":
            self._told = True
        elif event["event"] == "exhausted":
            self.is_exhausted = True
        else:
            raise EngineError(self._message(event["what"], event["reason"]))
        return True

    def _message(self, what: str, reason: str) -> str:
        last = _last_error(self.log / "dispatcher.log")
        return (
            f"{what} is gone ({reason}{f'; {last}' if last else ''}) before the end of the search, see {self.log}; "
            "measured trials are kept, and the same command begins another experiment."
        )

    def _accept(self) -> None:
        while True:
            try:
                relay = self._listener.accept()
            except OSError:
                return
            try:
                asked = json.loads(relay.recv_bytes())
            except (EOFError, OSError):
                continue
            self._events.put(Proposed(asked["trial"], asked["parameters"], relay))

    def _follow(self) -> None:
        assert self._host.stdout is not None
        for line in self._host.stdout:
            self._events.put(json.loads(line))
        self._events.put({"event": "ended", "what": "NNI", "reason": "the process that watches it died"})

    def _write(self, line: str) -> None:
        assert self._host.stdin is not None
        try:
            self._host.stdin.write(f"{line}\n".encode())
            self._host.stdin.flush()
        except OSError:
            # It is dead, which `_follow` reports.
            return

    def _end(self, *, kill: bool) -> None:
        assert self._host.stdin is not None
        if not kill:
            self._write("stop")
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._host.wait(GOODBYE)
        # The end of its input ends it and all that it started at once.
        with contextlib.suppress(OSError):
            self._host.stdin.close()
        if self._host.wait() < 0 and self._manager is not None:
            # It was killed before it could end the others, which the manager has in a process group of its own.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._manager, signal.SIGKILL)
        self._listener.close()
        self._said.close()
        shutil.rmtree(self._sockets, ignore_errors=True)


def _last_error(log: Path) -> str:
    """Return the last error in a log of the tuner, the last line of a Python traceback such as `ValueError: ...`."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    told = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]
    return told[-1] if told else ""
