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
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from autofi.space.architecture import Architecture
from autofi.store import StudyHandle, StudyStore, TrialRecord, resolve_storage

NAME = "shared"
STAGE = "search"
#: As many as the space `default` has.
_CHOICES = CategoricalDistribution(["selected", "likely", "naive"])
_RATE = FloatDistribution(1e-4, 1e-1, log=True)
DISTRIBUTIONS: dict[str, BaseDistribution] = {
    **{f"choice_{number}": _CHOICES for number in range(8)},
    **{f"rate_{number}": _RATE for number in range(4)},
}
PARAMETERS: dict[str, Any] = {
    name: 1e-3 if distribution is _RATE else "likely" for name, distribution in DISTRIBUTIONS.items()
}
#: What a trial comes to.
MEASURED: dict[str, Any] = {
    "valid": {"auc": 0.7, "logloss": 0.4},
    **dict.fromkeys(
        ("parameters", "table_bytes", "table_rows", "flops", "evaluations", "best_evaluation"), 1200
    ),
    **dict.fromkeys(("seconds", "own_auc", "boosted_share"), 0.5),
}
#: As long as a trial's usually is.
NOTE = "a line of the note of a trial\n" * 60
#: Seconds between looks at what others do.
POLL = 0.05


def create(store: StudyStore, name: str = NAME) -> StudyHandle:
    """A study that workers share."""
    return store.create_or_resume(
        name,
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
    return Architecture(
        fields=dict.fromkeys(names, ("embedding",)), pairs=dict.fromkeys(chosen, ("memorize_embedding",))
    ).to_json()


def main(
    url: Annotated[str, typer.Argument(help="The database.")],
    most: Annotated[int, typer.Option(help="Trials of the study in all.")] = 40,
    seconds: Annotated[float, typer.Option(help="How long a trial takes beside the database.")] = 0.0,
    pairs: Annotated[int, typer.Option(help="Pairs of every architecture.")] = 10,
    study: Annotated[str, typer.Option(help="Which study.")] = NAME,
    prefix: Annotated[
        str, typer.Option(help="Of the architectures' ids; workers with one prefix compete.")
    ] = "a",
) -> None:
    """Say "ready", wait for a line, work, and print the seconds that every trial spent in the database.

    A trial is all that a search does there: look at the others, take one, end it, add its note.
    """
    described = architecture(pairs)
    spent: list[float] = []
    with StudyStore(resolve_storage(url)) as store, store.open(study) as handle:
        print("ready", flush=True)
        input()
        while True:
            begun = time.perf_counter()
            handle.reap()
            handle.trials()
            trial = handle.take_over(STAGE) or _take(handle, most, described, prefix)
            if trial is None:
                if not handle.pending(STAGE):
                    break
                time.sleep(POLL)
                continue
            taken = time.perf_counter()
            time.sleep(seconds)
            resumed = time.perf_counter()
            handle.finish_trial(trial.number, MEASURED["valid"]["auc"], attrs=MEASURED)
            handle.shown.add_notes({handle.trial(trial.number).number: NOTE})
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
