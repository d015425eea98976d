"""A trial of NNI: it asks the manager for parameters, has AutoFI measure them, and reports the result.

NNI runs it with its own interpreter. It speaks the manager's protocol for trials itself, three requests of JSON over
HTTP: `import nni` would add seconds to every trial, and version 3.0 is the last.

It needs only the standard library, and ends when the search does: its connection to AutoFI is then closed.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from multiprocessing.connection import Client

REPORTED = b"reported"
NOTHING_YET = 408


def main() -> None:
    channel, trial = os.environ["NNI_TRIAL_COMMAND_CHANNEL"], os.environ["NNI_TRIAL_JOB_ID"]
    _put(channel, {"type": "request_parameter"})
    proposed = json.loads(_get(channel)["parameter"])
    try:
        with Client(os.environ["AUTOFI_NNI_SOCKET"], "AF_UNIX") as search:
            search.send_bytes(json.dumps({"trial": trial, "parameters": proposed["parameters"]}).encode())
            answer = json.loads(search.recv_bytes())
            if "error" in answer:
                sys.exit(answer["error"])
            metric = {
                "parameter_id": proposed["parameter_id"],
                "trial_job_id": trial,
                "type": "FINAL",
                "sequence": 0,
                "value": json.dumps(answer["value"]),
            }
            _put(channel, {"type": "metric", "metric": json.dumps(metric)})
            search.send_bytes(REPORTED)
    except (EOFError, OSError) as error:
        sys.exit(f"the search has ended: {error!r}")


def _put(channel: str, command: dict[str, object]) -> None:
    request = urllib.request.Request(
        channel, json.dumps(command).encode(), {"Content-Type": "application/json"}, method="PUT"
    )
    with urllib.request.urlopen(request):
        pass


def _get(channel: str) -> dict[str, str]:
    while True:
        try:
            with urllib.request.urlopen(channel) as answer:
                found: dict[str, str] = json.load(answer)
                return found
        except urllib.error.HTTPError as error:
            if error.code != NOTHING_YET:
                raise


if __name__ == "__main__":
    main()
