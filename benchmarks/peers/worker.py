"""A process of one library: reads the rows, fits within a number of CPU seconds, and leaves probabilities of test rows.

It runs in the environment of its library, so that only the standard library, NumPy and pandas are imported here.
"""

from __future__ import annotations

import dataclasses
import json
import resource
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

LABEL = "label"


@dataclass(frozen=True)
class Task:
    """The rows of a folder, a Parquet file per part, and the CPU seconds to spend on them.

    Attributes:
        numeric: Columns of numbers; all others hold categories.
        multi_valued: The text between values, by column of several values per row.
        by_chance: True if rows are split at random.
        variant: Name of the library's variant, such as that of a model.
        options: Arguments for the library.
        work: An empty folder, which the caller deletes.
    """

    folder: str
    numeric: list[str]
    multi_valued: dict[str, str]
    by_chance: bool
    seconds: float
    seed: int
    variant: str
    options: dict[str, Any]
    work: str

    def path(self, part: str) -> Path:
        return Path(self.folder) / f"{part}.parquet"

    def rows(self, part: str) -> pd.DataFrame:
        """Return the rows of a part, categories as texts."""
        frame = pd.read_parquet(self.path(part))
        for name in frame.columns:
            if name != LABEL:
                frame[name] = frame[name].astype(float if name in self.numeric else str)
        return frame


@dataclass(frozen=True)
class Answer:
    """Probabilities of the test rows, in their order, and what is worth a note."""

    probabilities: Any
    note: str = ""


#: Imports its library and returns the work that is counted.
Prepare = Callable[[Task], Callable[[], Answer]]


def cpu_seconds() -> float:
    """Return the CPU seconds of this process and of the children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def count_cpu_seconds() -> None:
    """Let the clocks that libraries read for their limits go on by CPU seconds.

    So other work on the machine takes none of the time that a library was given. A library that waits for something
    never reaches its limit: the caller ends it.
    """
    begun, moments = cpu_seconds(), (time.time(), time.monotonic(), time.perf_counter())
    time.time = lambda: moments[0] + cpu_seconds() - begun
    time.monotonic = lambda: moments[1] + cpu_seconds() - begun
    time.perf_counter = lambda: moments[2] + cpu_seconds() - begun


def answer(prepare: Prepare) -> None:
    """Do the task of the file that is named on the command line, and write `answer.json` and `test.npy` beside it."""
    warnings.simplefilter("ignore")
    request = Path(sys.argv[1])
    task = Task(**json.loads(request.read_text(encoding="utf-8")))
    fit = prepare(task)
    count_cpu_seconds()
    begun = cpu_seconds()
    found = fit()
    spent = cpu_seconds() - begun
    np.save(request.with_name("test.npy"), np.asarray(found.probabilities, dtype=np.float32))
    told = {"cpu": spent, "note": found.note}
    request.with_name("answer.json").write_text(json.dumps(told), encoding="utf-8")


def written(task: Task, path: Path) -> None:
    """Write a task for `answer`."""
    path.write_text(json.dumps(dataclasses.asdict(task)), encoding="utf-8")
