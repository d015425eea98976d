"""Progress of trainings in other processes, passed on to the process that shows it."""

from __future__ import annotations

import contextlib
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from autofi.core.memmap import scratch_folder
from autofi.evaluation.workbench import OnEvaluation

#: An evaluation's number, AUC, logloss and rows per second.
RECORD = struct.Struct("<qddd")
LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class EvaluationWriter:
    """A writer in a training's process that appends each of its evaluations to a file, which this process reads.

    It is a file and not a pipe: a process continues when nobody reads its file, and one that dies breaks nothing.
    """

    path: Path

    def __call__(self, number: int, valid_auc: float, valid_logloss: float, speed: float) -> None:
        # Progress must not end a training: a full disk only costs a line on the screen.
        with contextlib.suppress(OSError), self.path.open("ab", buffering=0) as file:
            file.write(RECORD.pack(number, valid_auc, valid_logloss, speed))


@contextlib.contextmanager
def heard(on_evaluation: OnEvaluation | None) -> Iterator[OnEvaluation | None]:
    """Yield a callback for trainings in other processes, whose calls a thread passes on to `on_evaluation` here.

    All of them have been passed on when the context ends.
    """
    if on_evaluation is None:
        yield None
        return
    with TemporaryDirectory(prefix="autofi-", dir=scratch_folder()) as folder:
        path = Path(folder) / "evaluations"
        path.touch()
        ended = threading.Event()
        listener = threading.Thread(target=_listen, args=(path, on_evaluation, ended), daemon=True)
        listener.start()
        try:
            yield EvaluationWriter(path)
        finally:
            ended.set()
            listener.join()


def _listen(path: Path, on_evaluation: OnEvaluation, ended: threading.Event) -> None:
    last, told = False, b""
    with path.open("rb") as file:
        while not last:
            last = ended.wait(LOOK_SECONDS)
            told += file.read()
            whole = len(told) // RECORD.size * RECORD.size
            for number, *figures in RECORD.iter_unpack(told[:whole]):
                on_evaluation(number, *figures)
            told = told[whole:]
