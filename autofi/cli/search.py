"""The commands that train: `search` and `retrain`."""

from __future__ import annotations

import dataclasses
import signal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autofi.cli import options
from autofi.cli.column_options import check_one_split, with_columns
from autofi.cli.early_checks import (
    check_baselines,
    check_new_study,
    check_space,
    check_study,
    check_table,
    check_trial,
)
from autofi.cli.field_options import SearchCommand
from autofi.cli.output import print_json, say, working
from autofi.cli.search_parameters import with_search_options

if TYPE_CHECKING:
    from autofi import Study

SEARCH_EXAMPLES = (
    "[bold]Examples[/bold]\n\n"
    "autofi search   [dim]generated data with a known truth, about two minutes[/dim]\n\n"
    "autofi search clicks.parquet --target click\n\n"
    "autofi search clicks.csv --target click --ignore name --multi-valued 'genres:|' --split time:day\n\n"
    "autofi search train.csv --valid valid.csv --test test.csv --target label --study mine --timeout 30m\n\n"
    "autofi search clicks.csv --target click --trials 60 --fidelity halving --plateau 20\n\n"
    "autofi search clicks.csv --target click --objective auc --objective table_bytes --max latency=200us\n\n"
    "autofi search clicks.csv --target click --engine nni --tuner TPE --nni-python ~/nni/bin/python\n\n"
    "autofi search clicks.csv --target click --engine ray --workers 9 --worker-cpus 4 "
    "--storage postgresql://ads@db/studies\n\n"
    "autofi search postgresql://host/ads --query 'SELECT * FROM clicks' --target click --json > result.json"
)
#: What `autofi search` without a table does: enough to see every part at work in about two minutes.
DEMONSTRATION: dict[str, Any] = {
    "trials": 2,
    "seeds": 2,
    "baselines": ("all-naive", "all-memorize", "all-factorize", "lightgbm"),
}
WORKER_EXAMPLES = (
    "[bold]Examples[/bold]\n\nautofi worker mine --storage postgresql://ads@db/studies   "
    "[dim]on every machine that reaches the database[/dim]\n\n"
    "autofi worker mine --data /mnt/clicks.parquet --trials 20"
)
RETRAIN_EXAMPLES = (
    "[bold]Examples[/bold]\n\nautofi retrain mine --seeds 5   [dim]the winner, more seeds[/dim]\n\n"
    "autofi retrain mine --trial 12   [dim]another trial beside it[/dim]\n\n"
    "autofi retrain mine --trial 12 --make-winner   [dim]in its place; the study tells that from then on[/dim]"
)


@with_columns
@with_search_options
def search(
    *,
    data: Annotated[str, typer.Argument(help=options.DATA_HELP, metavar="[DATA]")] = "planted",
    given: dict[str, Any],
    maximum: options.Most = None,
    minimum: options.Least = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    overrides: Any,
) -> None:
    """Search an architecture for a table of clicks, retrain the winner, compare it with the baselines."""
    limits = options.parse_limits(maximum, minimum)
    if limits is not None:
        given["limits"] = limits
    if overrides is not None:
        given["overrides"] = overrides
    if data == "planted":
        given = DEMONSTRATION | given
    split, storage = given.get("split"), given.get("storage")
    check_one_split(split, overrides)
    if "space" in given:
        check_space(given["space"])
    check_new_study(given.get("study"), storage)
    check_baselines(given.get("baselines"))
    check_table(
        data,
        target=given.get("target"),
        overrides=overrides,
        query=given.get("query"),
        split=split,
        others=(given.get("valid"), given.get("test")),
    )
    import autofi

    with working(quiet=quiet) as progress:
        found = autofi.search(data, **given, progress=progress)
    _report(found, storage=storage, as_json=as_json, quiet=quiet)


def worker(
    study: options.Study,
    trials: Annotated[
        int | None, typer.Option(help="Leave after so many trials.", min=1, show_default=False)
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Where the table lies on this machine, if not where the search read it.",
            metavar="DATA",
            show_default=False,
        ),
    ] = None,
    header: options.Header = None,
    delimiter: options.Delimiter = None,
    device: options.Device = "auto",
    jobs: options.Jobs = None,
    storage: options.Storage = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Measure trials of a search that runs elsewhere, until it needs no more."""
    check_study(study, storage, data=data)
    import autofi

    signal.signal(signal.SIGTERM, _interrupt)
    with working(quiet=quiet) as progress:
        worked = autofi.work(
            study,
            storage=storage,
            data=data,
            header=header,
            delimiter=delimiter,
            trials=trials,
            device=device,
            jobs=jobs,
            progress=progress,
        )
    if as_json:
        print_json(dataclasses.asdict(worked))
    elif not quiet:
        from autofi.cli.summary_tables import command

        say(
            f"{worked.trials} trials measured here in {worked.seconds:.0f} s; {worked.study} has {worked.of}.\n"
            f"Next: {command('show', study)}"
        )


def _interrupt(number: int, frame: object) -> None:
    """A worker that is told to end gives its trial up as one that is interrupted does."""
    raise KeyboardInterrupt


def retrain(
    study: options.Study,
    trial: Annotated[
        int | None,
        typer.Option(
            help="Number of a trial to train beside the winner. [dim]default: the winner itself[/dim]", min=0
        ),
    ] = None,
    make_winner: Annotated[
        bool,
        typer.Option("--make-winner", help="The trial replaces the winner, and that is told from then on."),
    ] = False,
    seeds: Annotated[
        int | None, typer.Option(help="How many times. [dim]default: as in the search[/dim]", min=1)
    ] = None,
    jobs: options.Jobs = None,
    storage: options.Storage = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Train the winner with more seeds, or another trial beside it, from scratch, and read the test result."""
    check_study(study, storage)
    check_trial(study, storage, trial)
    import autofi

    opened = autofi.open_study(study, storage=storage)
    with working(quiet=quiet) as progress:
        opened.retrain(trial=trial, seeds=seeds, make_winner=make_winner, jobs=jobs, progress=progress)
    _report(opened, storage=storage, as_json=as_json, quiet=quiet)


def _report(study: Study, *, storage: str | None, as_json: bool, quiet: bool) -> None:
    """The summary as a table on standard output; under --json the object there and the table beside it."""
    from autofi.cli.summary_tables import print_summary

    summary = study.summary()
    if as_json:
        print_json(summary)
    if not quiet:
        trials = [
            {str(key): value for key, value in row.items()} for row in study.leaderboard().to_dict("records")
        ]
        print_summary(summary, trials, trials=len(trials), storage=storage, stderr=as_json)


def register(app: typer.Typer) -> None:
    app.command(epilog=SEARCH_EXAMPLES, cls=SearchCommand)(search)
    app.command(epilog=WORKER_EXAMPLES, cls=SearchCommand)(worker)
    app.command(epilog=RETRAIN_EXAMPLES)(retrain)
