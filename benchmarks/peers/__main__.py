"""AutoFI's search against other libraries: same rows, same CPU seconds, one core: `python -m benchmarks.peers`.

LightGBM and CatBoost (usual settings, and tuned by Optuna within the time), AutoGluon 1.6 best_quality, RealMLP and
TabM (pytabkit). Six real tables of a folder, and six generated ones. Each run is a process of its own on one core, and
none is given the labels of test rows. Finished runs are kept, with their probabilities of test rows, and not repeated.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from autofi.core.units import describe_seconds
from autofi.metrics.ranking import auc, logloss
from benchmarks.paired import machine
from benchmarks.peer import ENVIRONMENTS
from benchmarks.peers.entrants import PEERS, Entrant, pythons, search_with
from benchmarks.peers.report import print_anytime, print_report
from benchmarks.peers.runs import ROOT, Key, Results, RunFailedError, run, scratch_folder
from benchmarks.peers.tables import NAMES, Table, open_table

#: Seconds of a process beside the work that is counted, roughly: imports.
OVERHEAD = 9.0
#: Options of the default search: until the time is up, and one model, as the other libraries deliver one.
SEARCH = "--trials 1000 --seeds 1"
ALL_PEERS = ",".join(peer.name for peer in PEERS)


@dataclass(frozen=True)
class Plan:
    """A run to do."""

    entrant: Entrant
    table: str
    key: Key

    @property
    def about(self) -> float:
        return OVERHEAD + (
            self.key.seconds if self.entrant.timed else min(self.key.seconds, self.entrant.about)
        )


def estimate(tables: int, limits: Sequence[float], seeds: int) -> str:
    """Return about how long all entrants take, such as `3 h 15 min`."""
    plans = (
        Plan(entrant, "", Key("", "", 0, limit))
        for limit in limits
        for entrant in (search_with(SEARCH), *PEERS)
    )
    return describe_seconds(sum(plan.about for plan in plans) * tables * seeds)


EXAMPLES = f"""
[bold]Examples[/bold]

python -m benchmarks.peers   [dim]everything, about {estimate(12, [60], 2)}[/dim]

python -m benchmarks.peers --tables adult,low_rank --seconds 10 --rows 3000 --seeds 1
[dim]to try it, {estimate(2, [10], 1)}[/dim]

python -m benchmarks.peers --autofi '--preset fast' --autofi '--preset best --timeout 40s'
[dim]two searches against the peers; --timeout, which is --seconds unless it is given, ends the trials[/dim]

python -m benchmarks.peers --anytime 15,30,60,120,240 --tables adult,frappe_by_pair --seeds 1
[dim]{estimate(2, [15, 30, 60, 120, 240], 1)}[/dim]

python -m benchmarks.peers --report   [dim]what is finished, at once[/dim]

[bold]Time[/bold]

A run takes its --seconds and {OVERHEAD:g} s of imports; untuned trees end by themselves. On large tables some libraries
take more than their time for a first model, and a busy machine takes longer: count on a fifth more.
"""


def main(
    data: Annotated[Path, typer.Option(help="Folder of the real tables, a folder each.")] = Path(
        "../shared/data"
    ),
    tables: Annotated[str, typer.Option(help="Tables, with commas.")] = ",".join(NAMES),
    peers: Annotated[str, typer.Option(help="Peers, with commas, or none.")] = ALL_PEERS,
    autofi: Annotated[
        list[str],
        typer.Option(help="Options of a search, as `autofi search` takes them. Repeatable: an entrant each."),
    ] = [SEARCH],  # noqa: B006
    seconds: Annotated[float, typer.Option(help="CPU seconds of a run.", min=1)] = 60.0,
    anytime: Annotated[
        str | None, typer.Option(help="Several numbers of seconds, with commas: AUC against CPU seconds.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Runs of every entrant on every table.", min=1)] = 2,
    rows: Annotated[int | None, typer.Option(help="A random part of the rows, for a try.", min=500)] = None,
    generated_seed: Annotated[int, typer.Option(help="Seed of the generated tables.", min=0)] = 0,
    core: Annotated[
        int | None, typer.Option(help="The core that runs are kept to; by default the last.")
    ] = None,
    results: Annotated[Path, typer.Option(help="Folder of what is finished.")] = ENVIRONMENTS / "peers",
    autogluon_environment: Annotated[
        Path, typer.Option(help="AutoGluon's environment, made where it is not there.")
    ] = ENVIRONMENTS / "autogluon",
    pytabkit_environment: Annotated[
        Path, typer.Option(help="The environment of RealMLP and TabM, made where it is not there.")
    ] = ENVIRONMENTS / "pytabkit",
    again: Annotated[
        str, typer.Option(help="Entrants to run again, with commas; AutoFI is all of its own.")
    ] = "",
    report: Annotated[
        bool, typer.Option("--report", help="Print what is finished, and run nothing.")
    ] = False,
) -> None:
    """Run what is not finished, and print the comparison."""
    entrants = [*map(_search, autofi), *_chosen(peers)]
    limits = [seconds] if anytime is None else _numbers(anytime)
    chosen, named = _free(core), _named(tables)
    kept, found = Results(results), list(_opened(named, data, rows=rows, seed=generated_seed))
    if not report:
        environments = {"autogluon": autogluon_environment, "pytabkit": pytabkit_environment}
        interpreters = pythons(entrants, environments)
        for entrant in entrants:
            if isinstance(interpreters[entrant.environment], str):
                print(f"{entrant.name} is left out: {interpreters[entrant.environment]}")
        able = [one for one in entrants if not isinstance(interpreters[one.environment], str)]
        plans = [
            Plan(entrant, table.label, Key(entrant.name, table.label, seed, limit))
            for seed in range(seeds)
            for table in found
            for limit in limits
            for entrant in able
        ]
        repeated = {name.strip() for name in again.split(",") if name.strip()}
        _run_all(
            plans, {table.label: table for table in found}, interpreters, kept, core=chosen, again=repeated
        )
    names = [entrant.name for entrant in entrants]
    owns = [entrant.name for entrant in entrants if entrant.own]
    for limit in limits:
        print_report(kept, found, names, owns, limit, caption=machine())
    if anytime is not None:
        print_anytime(kept, found, names, limits)


def _run_all(
    plans: Sequence[Plan],
    tables: dict[str, Table],
    interpreters: dict[str, Path | str],
    kept: Results,
    *,
    core: int,
    again: set[str],
) -> None:
    done, version = kept.lines(), _version()
    stale = {
        line["entrant"]
        for key, line in done.items()
        if line["entrant"].startswith("AutoFI")
        and line["version"] != version
        and key in {plan.key for plan in plans}
    }
    left = [plan for plan in plans if plan.key not in done or _is_again(plan.entrant, again)]
    for name in sorted(stale):
        if not any(plan.entrant.name == name and plan.key in done for plan in left):
            print(f"{name}: finished runs are of another version than {version}; --again AutoFI repeats them")
    total = sum(plan.about for plan in left)
    print(f"{len(left)} of {len(plans)} runs to do, about {describe_seconds(total)} on core {core}")
    begun, passed = time.monotonic(), 0.0
    with scratch_folder() as folder:
        for number, plan in enumerate(left, start=1):
            table = tables[plan.table]
            rows = folder / f"rows{list(tables).index(plan.table)}"
            if not rows.exists():
                rows.mkdir()
                table.write(rows)
            with tempfile.TemporaryDirectory(prefix="run-", dir=folder) as work:
                try:
                    line = _run_one(
                        plan, table, rows, Path(work), interpreters, kept, core=core, version=version
                    )
                except RunFailedError as error:
                    told = str(error)
                else:
                    told = (
                        f"AUC {line['auc']:.4f}, logloss {line['logloss']:.4f}, {line['cpu']:.1f} CPU s "
                        f"({line['note']})"
                    )
            passed += plan.about
            # A busy machine takes longer than was planned: so do the runs that are left.
            ahead = (total - passed) * max(1.0, (time.monotonic() - begun) / passed)
            print(
                f"[{number}/{len(left)}] {plan.table}, {plan.entrant.name}, seed {plan.key.seed}: {told}; "
                f"about {describe_seconds(ahead)} left",
                flush=True,
            )


def _run_one(
    plan: Plan,
    table: Table,
    rows: Path,
    work: Path,
    interpreters: dict[str, Path | str],
    kept: Results,
    *,
    core: int,
    version: str,
) -> dict[str, Any]:
    key, python = plan.key, interpreters[plan.entrant.environment]
    assert isinstance(python, Path)
    found = run(plan.entrant, python, table, rows, work, seed=key.seed, seconds=key.seconds, core=core)
    labels = table.test_labels
    if found.probabilities.shape != labels.shape or not np.isfinite(found.probabilities).all():
        raise RunFailedError(
            f"it gave {found.probabilities.shape} finite probabilities of {labels.shape} rows"
        )
    before = kept.count_reading(table.origin, plan.entrant.name)
    line = {
        "entrant": key.entrant, "table": key.table, "seed": key.seed, "seconds": key.seconds,
        "auc": auc(labels, found.probabilities), "logloss": logloss(labels, found.probabilities),
        "cpu": round(found.cpu, 2), "process_cpu": round(found.process_cpu, 2), "wall": round(found.wall, 2),
        "peak_mb": round(found.peak_mb), "note": found.note, "read_before": before, "version": version,
        "machine": machine(),
    }  # fmt: skip
    kept.add(key, found.probabilities, line)
    return line


def _opened(names: Sequence[str], data: Path, *, rows: int | None, seed: int) -> Iterator[Table]:
    for name in names:
        try:
            yield open_table(name, data=data, rows=rows, seed=seed)
        except FileNotFoundError as error:
            print(f"{name} is left out: {error}; name the folder with --data")


def _search(options: str) -> Entrant:
    try:
        return search_with(options)
    except ValueError as error:
        raise _refused(str(error)) from None


def _chosen(names: str) -> list[Entrant]:
    known = {peer.name.lower(): peer for peer in PEERS}
    asked = [name.strip().lower() for name in names.split(",") if name.strip() not in ("", "none")]
    unknown = [name for name in asked if name not in known]
    if unknown:
        raise _refused(f"There is no peer '{unknown[0]}'; they are {ALL_PEERS}.")
    return [known[name] for name in asked]


def _named(names: str) -> list[str]:
    asked = [name.strip() for name in names.split(",") if name.strip()]
    unknown = [name for name in asked if name not in NAMES]
    if unknown:
        raise _refused(f"There is no table '{unknown[0]}'; they are {', '.join(NAMES)}.")
    return asked


def _numbers(text: str) -> list[float]:
    try:
        return sorted(float(number) for number in text.split(","))
    except ValueError:
        raise _refused(f"'{text}' are not numbers of seconds; write them like 30,60,120.") from None


def _free(core: int | None) -> int:
    allowed = sorted(os.sched_getaffinity(0))
    if core is not None and core not in allowed:
        raise _refused(f"There is no core {core}; this process may use {', '.join(map(str, allowed))}.")
    return allowed[-1] if core is None else core


def _is_again(entrant: Entrant, again: set[str]) -> bool:
    return entrant.name in again or (entrant.own and "AutoFI" in again)


def _version() -> str:
    """Return the commit that is measured, with a plus where files differ from it."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True).stdout.strip()

    return git("rev-parse", "--short", "HEAD") + (
        "+" if git("status", "--porcelain", "autofi", "search_spaces") else ""
    )


def _refused(message: str) -> typer.Exit:
    print(f"Error: {message}", file=sys.stderr)
    return typer.Exit(2)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, rich_markup_mode="rich")
    app.command(help=__doc__, epilog=EXAMPLES)(main)
    app()
