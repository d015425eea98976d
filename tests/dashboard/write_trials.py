"""Writes trials into a study, as one of several workers does: `python write_trials.py DATABASE WORKER TRIALS`.

Each has its architecture, measures and note; every fifth time the study's map, of many pieces, is drawn as well.
"""

from __future__ import annotations

import json
import os
import sys

sys.path.insert(0, os.getcwd())

from autofi.store import StudyStore, resolve_storage
from tests.store.examples import measured, start


def main(path: str, worker: int, trials: int) -> None:
    with StudyStore(resolve_storage(path)) as store, store.open("mine") as study:
        for turn in range(trials):
            number = start(study, architecture_id=f"{worker}-{turn}", seed=worker)
            assert number is not None
            study.finish_trial(number, 0.5 + turn / 100, attrs=measured(0.5))
            study.shown.add_notes({number: f"worker {worker}, turn {turn}"})
            if turn % 5 == 0:
                # Another length each time: a page that met half of it could not read it.
                drawn = {"data": [worker] * (5_000 + 700 * turn)}
                study.shown.save_figure("interaction-map", json.dumps(drawn))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
