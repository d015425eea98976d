"""A program for NNI's interpreter that starts an experiment of NNI, watches it, and ends it.

It is controlled over its pipes. The first line of standard input is the order, an object; "stop" ends the experiment in
good order, and the end of the input, which also comes when AutoFI is killed, ends it at once. Standard output has one
object per line: `started` with the port, `told` when the tuner has been sent the earlier trials, `exhausted` when it
has nothing left to propose, `ended` when the manager or the tuner died or failed. NNI's own output goes to standard
error.

NNI itself never notices a dead tuner: the experiment would stay RUNNING forever.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any, TextIO

HERE = Path(__file__).resolve().parent
#: Seconds between checks of the processes.
LOOK = 0.5
#: Seconds for the tuner's process to appear, and for the experiment to take the earlier trials.
PATIENCE = 120.0
#: Seconds for the manager to end in good order: it waits for the tuner and the trials.
GOODBYE = 20.0
#: NNI itself considers a manager dead that does not answer within three seconds.
ATTEMPTS = 3


def main() -> None:
    # These are copies of both pipes, which the manager does not inherit: Node.js would make them non-blocking for all.
    told, tell = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    order = json.loads(told.readline())
    told_to_stop = threading.Event()
    threading.Thread(target=_listen, args=[told, told_to_stop], daemon=True).start()
    host = Host(order, lambda **event: print(json.dumps(event), file=tell, flush=True))
    try:
        host.start()
        host.watch(told_to_stop)
    except Ended as ended:
        host.tell(event="ended", what=ended.what, reason=ended.reason)
    except Exception as error:
        host.tell(event="ended", what="NNI's manager", reason=f"{type(error).__name__}: {error}")
    host.end()
    # NNI registered an exit handler of its own, which waits for a manager that is gone.
    os._exit(0)


def _listen(told: TextIO, told_to_stop: threading.Event) -> None:
    for _ in told:
        told_to_stop.set()
    kill_children()
    os._exit(1)


class Ended(Exception):
    """The manager or the tuner, which the search needs, is gone."""

    def __init__(self, what: str, reason: str) -> None:
        self.what, self.reason = what, reason


class Host:
    """The experiment of an order."""

    def __init__(self, order: dict[str, Any], tell: Any) -> None:
        self.order, self.tell = order, tell
        self.experiment: Any = None
        self.manager: Any = None

    def start(self) -> None:
        from nni.experiment import Experiment, ExperimentConfig

        os.environ["NODE_OPTIONS"] = (
            f'{os.environ.get("NODE_OPTIONS", "")} --require "{HERE / "loopback.js"}"'.strip()
        )
        folder = Path(self.order["folder"])
        # The folder is copied for every trial, so it is empty: the relay needs no files.
        code = folder / "trial_code"
        code.mkdir(parents=True, exist_ok=True)
        config = ExperimentConfig("local")
        config.experiment_name = self.order["name"]
        config.experiment_working_directory = folder
        config.search_space = self.order["space"]
        config.trial_command = (
            f"exec {shlex.quote(sys.executable)} {shlex.quote(str(HERE / 'trial_relay.py'))}"
        )
        config.trial_code_directory = code
        config.trial_concurrency = self.order["at_once"]
        config.tuner.name = self.order["tuner"]
        config.tuner.class_args = self.order["arguments"]
        for attempt in range(ATTEMPTS):
            self.experiment = Experiment(config)
            try:
                self.experiment.start(_free_port())
                break
            except Exception:
                kill_children()
                if attempt + 1 == ATTEMPTS:
                    raise
        import psutil

        self.manager = psutil.Process(self.experiment._proc.pid)
        self.tell(
            event="started",
            id=self.experiment.id,
            port=self.experiment.port,
            manager=self.manager.pid,
            log=str(folder / self.experiment.id / "log"),
        )

    def watch(self, told_to_stop: threading.Event) -> None:
        begun, tuner, known, exhausted = time.monotonic(), None, self.order["known"], False
        while not told_to_stop.wait(LOOK):
            late = time.monotonic() > begun + PATIENCE
            tuner, status = tuner or self._tuner(), self._status()
            if not _runs(self.manager):
                raise Ended("NNI's manager", "its process died")
            if status.get("status") == "ERROR":
                raise Ended("NNI's manager", "; ".join(status["errors"]))
            if late if tuner is None else not _runs(tuner):
                raise Ended("NNI's tuner", "its process died")
            if known and self._imported(known):
                known = None
                self.tell(event="told")
            if known and late:
                raise Ended("NNI's tuner", "it does not take the earlier trials")
            if status.get("status") == "TUNER_NO_MORE_TRIAL" and not exhausted:
                exhausted = True
                self.tell(event="exhausted")

    def end(self) -> None:
        if self.manager is not None and _runs(self.manager):
            goodbye = threading.Thread(target=self._stop, daemon=True)
            goodbye.start()
            goodbye.join(GOODBYE)
        kill_children()

    def _stop(self) -> None:
        with contextlib.suppress(Exception):
            self.experiment.stop()

    def _tuner(self) -> Any:
        import psutil

        with contextlib.suppress(psutil.Error):
            for child in self.manager.children(recursive=True):
                words = child.cmdline()
                # This skips the shell that some systems put before it.
                if "--exp_params" in words and "nni" in words:
                    return child
        return None

    def _imported(self, known: list[dict[str, Any]]) -> bool:
        """Return True if the manager took the earlier trials; it fails until the tuner has connected."""
        return _request(self.experiment.port, "post", "/experiment/import-data", known) is not None

    def _status(self) -> dict[str, Any]:
        return _request(self.experiment.port, "get", "/check-status") or {}


def _request(port: int, method: str, path: str, payload: Any = None) -> Any:
    """Return the answer; None if there is none, or it is an error."""
    import requests

    try:
        answer = requests.request(
            method, f"http://127.0.0.1:{port}/api/v1/nni{path}", json=payload, timeout=10
        )
        answer.raise_for_status()
    except requests.RequestException:
        return None
    return answer.json() if answer.content else {}


def _runs(process: Any) -> bool:
    import psutil

    try:
        return bool(process.is_running()) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def kill_children() -> None:
    """End every process that descends from this one."""
    import psutil

    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            child.kill()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
