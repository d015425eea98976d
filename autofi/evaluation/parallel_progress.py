"""Evaluations of trainings in other processes, told where a person waits for them."""

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
    """Goes along to a training's process and appends each of its evaluations to a file that this one reads.

    A file and not a pipe: a process that nobody reads any more goes on, and one that dies takes nothing with it.
    """

    path: Path

    def __call__(self, number: int, valid_auc: float, valid_logloss: float, speed: float) -> None:
        # What is only shown is not worth a training: a full disk costs a line on the screen.
        with contextlib.suppress(OSError), self.path.open("ab", buffering=0) as file:
            file.write(RECORD.pack(number, valid_auc, valid_logloss, speed))


@contextlib.contextmanager
def heard(on_evaluation: OnEvaluation | None) -> Iterator[OnEvaluation | None]:
    """What trainings in other processes may call in the place of `on_evaluation`, which a thread calls here.

    All that they told has been passed on when the context ends.
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
