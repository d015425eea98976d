"""What a worker process is told and answers, one JSON object a line: the same for AutoFI and its peers.

Only the standard library and NumPy, because workers run in environments of their own.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable


class Trainer(Protocol):
    """One model being trained."""

    def steps(self, count: int) -> None:
        """Take that many training steps, going through the rows again when they are used up."""


@runtime_checkable
class Scored(Trainer, Protocol):
    """One that is asked for probabilities, too."""

    def probabilities(self) -> Any:
        """Click probabilities of the test rows, `[N]`."""


def serve(make: Any) -> None:
    """Answer on standard output until standard input ends: `make(request)` gives the trainer that is then driven."""
    trainer: Trainer | None = None
    # What libraries print must not come between the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for request in _requests():
        begun = time.perf_counter()
        answer: dict[str, Any] = {}
        if request["do"] == "make":
            trainer = make(request)
        elif request["do"] == "steps":
            assert trainer is not None
            trainer.steps(request["count"])
        elif request["do"] == "score":
            assert isinstance(trainer, Scored)
            answer["probabilities"] = [float(value) for value in trainer.probabilities()]
        answer |= {"seconds": time.perf_counter() - begun, "peak_mb": _peak_megabytes()}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _requests() -> Iterator[dict[str, Any]]:
    for line in sys.stdin:
        yield json.loads(line)


def _peak_megabytes() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
