"""A worker without the training: takes trials of a study until its goal is reached and says what the database took.

Run by `benchmarks.storage`, `benchmarks.faults` and the tests of the store as
`python -m benchmarks.trial_worker URL --most 100`.
"""

from __future__ import annotations

import json
import time
from itertools import combinations
from typing import Annotated, Any

import typer
from optuna.distributions import CategoricalDistribution, FloatDistribution

from autofi.store import StudyHandle, StudyStore, TrialRecord, resolve_storage

NAME = "shared"
STAGE = "search"
PARAMETERS: dict[str, Any] = {"pairs": "likely", "training.learning_rate": 1e-3, "threshold": 0.5}
DISTRIBUTIONS = {
    "pairs": CategoricalDistribution(["selected", "likely", "naive"]),
    "training.learning_rate": FloatDistribution(1e-4, 1e-1, log=True),
    "threshold": FloatDistribution(0.0, 1.0),
}
#: Seconds between looks at what others do.
POLL = 0.05


def create(store: StudyStore) -> StudyHandle:
    """The study that workers share."""
    return store.create_or_resume(
        NAME,
        space_name="shared",
        space_json="{}",
        space_fingerprint="5a" * 16,
        data_source="none",
        data_fingerprint="da" * 16,
        settings={},
    )


def architecture(pairs: int) -> dict[str, Any]:
    """As large as an architecture of so many pairs is kept."""
    fields = next(count for count in range(2, 1000) if count * (count - 1) // 2 >= pairs)
    names = [f"field_{number}" for number in range(fields)]
    chosen = list(combinations(names, 2))[:pairs]
    return {"fields": {name: ["embedding"] for name in names},
            "pairs": [[left, right, ["memorize_embedding"]] for left, right in chosen]}  # fmt: skip


def main(
    url: Annotated[str, typer.Argument(help="The database.")],
    most: Annotated[int, typer.Option(help="Trials of the study in all.")] = 40,
    seconds: Annotated[float, typer.Option(help="How long a trial takes beside the database.")] = 0.0,
    pairs: Annotated[int, typer.Option(help="Pairs of every architecture.")] = 10,
    prefix: Annotated[
        str, typer.Option(help="Of the architectures' ids; workers with one prefix compete.")
    ] = "a",
) -> None:
    """Say "ready", wait for a line, work, and print the seconds that every trial spent in the database."""
    described = architecture(pairs)
    spent: list[float] = []
    with StudyStore(resolve_storage(url)) as store, store.open(NAME) as study:
        print("ready", flush=True)
        input()
        while True:
            begun = time.perf_counter()
            study.reap()
            trial = study.take_over(STAGE) or _take(study, most, described, prefix)
            if trial is None:
                if not study.pending(STAGE):
                    break
                time.sleep(POLL)
                continue
            taken = time.perf_counter()
            time.sleep(seconds)
            resumed = time.perf_counter()
            study.finish_trial(
                trial.number,
                0.7,
                attrs={"valid": {"auc": 0.7, "logloss": 0.4}, "parameters": 1200, "seconds": seconds},
            )
            spent.append(taken - begun + time.perf_counter() - resumed)
    print(json.dumps(spent))


def _take(study: StudyHandle, most: int, described: dict[str, Any], prefix: str) -> TrialRecord | None:
    tried = 0
    while study.counted(STAGE) < most:
        number = study.start_trial(
            stage=STAGE,
            architecture_id=f"{prefix}{len(study.taken(STAGE)) + tried}",
            architecture=described,
            seed=0,
            params=PARAMETERS,
            distributions=DISTRIBUTIONS,
            most=most,
        )
        if number is not None:
            return study.trial(number)
        tried += 1
    return None


if __name__ == "__main__":
    typer.run(main)
