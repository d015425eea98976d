"""Writes trials into a study, as one of several workers does: `python write_trials.py DATABASE WORKER TRIALS`.

Each has its architecture, measures and note; every fifth time the study's map, of many pieces, is drawn as well.
"""

from __future__ import annotations

import json
import os
import sys

sys.path.insert(0, os.getcwd())

from autofi.store import resolve_storage
from autofi.store.database import Database
from autofi.store.trial_log import TrialLog
from tests.store.examples import ARCHITECTURE, DISTRIBUTIONS, PARAMS, measured


def main(path: str, worker: int, trials: int) -> None:
    database = Database(resolve_storage(path))
    log = TrialLog(database, "mine", study_id=1)
    for turn in range(trials):
        number = log.start(
            stage="search",
            architecture_id=f"{worker}-{turn}",
            architecture=ARCHITECTURE,
            seed=worker,
            params=PARAMS,
            distributions=DISTRIBUTIONS,
            attrs={},
        )
        log.complete(number, 0.5 + turn / 100, attrs=measured(0.5))
        log.shown.add_notes({number: f"worker {worker}, turn {turn}"})
        if turn % 5 == 0:
            # Another length each time: a page that met half of it could not read it.
            log.shown.save_figure("interaction-map", json.dumps({"data": [worker] * (5_000 + 700 * turn)}))
    database.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
