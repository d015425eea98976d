"""What a trial costs in the database: `python -m benchmarks.storage`, an hour for all cases.

Counted is everything a search asks of its database between two trainings: looking at the trials of all workers, taking
one, ending it, its note (`benchmarks.trial_worker`); the training is a pause. Of one client it is what the database and
this code need; of many on few cores also how long they wait for a core.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from autofi.store import StudyStore, resolve_storage
from benchmarks.crew import LocalWorkers
from benchmarks.servers import mariadb, postgres
from benchmarks.trial_worker import DISTRIBUTIONS, MEASURED, PARAMETERS, STAGE, architecture

DATABASES = ("sqlite", "postgresql", "mariadb")


def main(
    database: Annotated[
        list[str] | None, typer.Option(help=f"Of {', '.join(DATABASES)}; all if none.")
    ] = None,
    pairs: Annotated[
        list[int] | None, typer.Option(help="Pairs of an architecture; 10, 100, 741 if none.")
    ] = None,
    clients: Annotated[list[int] | None, typer.Option(help="Processes at once; 1, 8, 32 if none.")] = None,
    trials: Annotated[int, typer.Option(help="Trials of every client.")] = 20,
    before: Annotated[int, typer.Option(help="Trials that the study has already.")] = 0,
    seconds: Annotated[float, typer.Option(help="How long a trial takes beside the database.")] = 1.0,
) -> None:
    """Print a line per case: milliseconds that a trial spends in the database, half of them at most and nine of ten."""
    print(
        "| database | pairs | clients | trials before | median, ms | nine of ten, ms | lost, doubled, stuck |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |", flush=True)
    wrong = False
    for kind in database or DATABASES:
        with (
            tempfile.TemporaryDirectory(prefix="autofi-storage-") as folder,
            _database(kind, Path(folder)) as url,
        ):
            for wide in pairs or (10, 100, 741):
                for count in clients or (1, 8, 32):
                    crew = LocalWorkers(
                        url,
                        most=before + trials * count,
                        seconds=seconds,
                        pairs=wide,
                        study=f"{wide}-{count}",
                    )
                    _fill(crew, before, wide)
                    crew.join(count=count)
                    crew.finish()
                    found = crew.audit()
                    missing = found["lost"] + found["doubled"] + found["stuck"]
                    wrong = wrong or bool(missing)
                    half, most = statistics.median(crew.spent), statistics.quantiles(crew.spent, n=10)[-1]
                    cells = (kind, wide, count, before, f"{1000 * half:.0f}", f"{1000 * most:.0f}", missing)
                    print(f"| {' | '.join(map(str, cells))} |", flush=True)
    raise typer.Exit(int(wrong))


@contextmanager
def _database(kind: str, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{folder}/a.db"
        return
    with (postgres if kind == "postgresql" else mariadb)(folder) as server:
        yield server.url


def _fill(crew: LocalWorkers, count: int, pairs: int) -> None:
    """Give the study so many complete trials, each of another architecture."""
    described = architecture(pairs)
    with StudyStore(resolve_storage(crew.url)) as store, store.open(crew.study) as study:
        for number in range(count):
            begun = study.start_trial(
                stage=STAGE,
                architecture_id=f"before{number}",
                architecture=described,
                seed=0,
                params=PARAMETERS,
                distributions=DISTRIBUTIONS,
            )
            assert begun is not None
            study.finish_trial(begun, MEASURED["valid"]["auc"], attrs=MEASURED)


if __name__ == "__main__":
    typer.run(main)
