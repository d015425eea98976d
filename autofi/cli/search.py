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
from autofi.cli.output import print_json, say, working

if TYPE_CHECKING:
    from autofi import Study

PLAN = "Plan"
NNI = "NNI"
RAY = "Ray"
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
def search(
    data: Annotated[str, typer.Argument(help=options.DATA_HELP, metavar="[DATA]")] = "planted",
    target: options.Target = None,
    space: Annotated[
        str, typer.Option(help="Name or YAML file of a search space; [bold]autofi spaces[/bold] lists them.")
    ] = "default",
    study: Annotated[
        str | None,
        typer.Option(help="Name to keep the study under; the same name resumes it.", show_default=False),
    ] = None,
    storage: options.Storage = None,
    trials: Annotated[
        int | None, typer.Option(help="How many architectures to evaluate.", min=1, show_default=False)
    ] = None,
    timeout: Annotated[
        str | None,
        typer.Option(
            help="Stop the search after this long, such as 90s, 10m or 2h; what is finished is kept.",
            metavar="TIME",
            show_default=False,
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            help="How many times the winner is retrained. [dim]default: 3[/dim]", min=1, show_default=False
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    jobs: options.Jobs = None,
    workers: Annotated[
        int,
        typer.Option(help="Processes that share the trials, this one included; GPUs are dealt out.", min=1),
    ] = 1,
    strategy: Annotated[
        str | None,
        typer.Option(
            help="How candidates are come to: staged (a supernet first), scratch or gradient. "
            "[dim]default: staged[/dim]",
            metavar="NAME",
            show_default=False,
            rich_help_panel=PLAN,
        ),
    ] = None,
    sampler: Annotated[
        str | None,
        typer.Option(
            help="Who proposes: tpe, random, gp, nsga2, cmaes or evolution. [dim]default: tpe[/dim]",
            metavar="NAME",
            show_default=False,
            rich_help_panel=PLAN,
        ),
    ] = None,
    fidelity: Annotated[
        str | None,
        typer.Option(
            help="full, or halving or hyperband: trials begin on a ninth of the rows, the best go on. "
            "[dim]default: full[/dim]",
            metavar="NAME",
            show_default=False,
            rich_help_panel=PLAN,
        ),
    ] = None,
    plateau: Annotated[
        int | None,
        typer.Option(
            help="End after so many trials in a row that came to nothing better.",
            min=1,
            show_default=False,
            rich_help_panel=PLAN,
        ),
    ] = None,
    engine: Annotated[
        str,
        typer.Option(
            help="optuna; or nni: a tuner of NNI proposes, its portal's address is printed; or ray: as optuna, "
            "with the workers on Ray.",
            rich_help_panel=PLAN,
            metavar="NAME",
        ),
    ] = "optuna",
    tuner: Annotated[
        str | None,
        typer.Option(
            help="NNI's tuner: TPE, Anneal, Evolution, GridSearch or Random. [dim]default: TPE[/dim]",
            rich_help_panel=NNI,
            metavar="NAME",
            show_default=False,
        ),
    ] = None,
    nni_python: Annotated[
        str | None,
        typer.Option(
            envvar="AUTOFI_NNI_PYTHON",
            help="The interpreter that has NNI 3.0. [dim]default: this one[/dim]",
            rich_help_panel=NNI,
            metavar="PYTHON",
            show_default=False,
        ),
    ] = None,
    worker_cpus: Annotated[
        float | None,
        typer.Option(
            help="Cores that a worker on Ray takes. [dim]default: 1[/dim]",
            rich_help_panel=RAY,
            metavar="N",
            show_default=False,
        ),
    ] = None,
    worker_gpus: Annotated[
        float | None,
        typer.Option(
            help="GPUs that a worker on Ray takes, such as 0.5. [dim]default: 1 if the search is on one, else 0[/dim]",
            rich_help_panel=RAY,
            metavar="N",
            show_default=False,
        ),
    ] = None,
    worker_data: Annotated[
        str | None,
        typer.Option(
            help="Where the table lies on Ray's nodes, if not where it lies here.",
            rich_help_panel=RAY,
            metavar="DATA",
            show_default=False,
        ),
    ] = None,
    objective: options.Objectives = None,
    maximum: options.Most = None,
    minimum: options.Least = None,
    seed: Annotated[
        int | None,
        typer.Option(
            help="Of everything random. [dim]default: 0, or that of the study that is resumed[/dim]",
            min=0,
            show_default=False,
        ),
    ] = None,
    baselines: Annotated[
        str | None,
        typer.Option(
            help="Models to compare with, such as lightgbm,catboost,dnn,fm,lr; or none.",
            metavar="LIST",
            show_default=False,
        ),
    ] = None,
    refit: Annotated[
        bool,
        typer.Option(
            "--refit", help="Retrain on train and valid together, for the number of steps found on train."
        ),
    ] = False,
    split: options.Split = None,
    valid: options.ValidFile = None,
    test: options.TestFile = None,
    query: options.Query = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    *,
    overrides: Any,
) -> None:
    """Search an architecture for a table of clicks, retrain the winner, compare it with the baselines."""
    check_one_split(split, overrides)
    settings = (DEMONSTRATION if data == "planted" else {}) | _given(
        trials=trials,
        seeds=seeds,
        timeout=None if timeout is None else options.parse_duration(timeout),
        split=split,
        valid=valid,
        test=test,
        objectives=objective,
        limits=options.parse_limits(maximum, minimum),
        baselines=None if baselines is None else options.parse_list(baselines),
        overrides=overrides,
    )
    check_space(space)
    check_new_study(study, storage)
    check_baselines(settings.get("baselines"))
    check_table(data, target=target, overrides=overrides, query=query, split=split, others=(valid, test))
    import autofi

    with working(quiet=quiet) as progress:
        found = autofi.search(
            data,
            target=target,
            space=space,
            study=study,
            storage=storage,
            device=device,
            seed=seed,
            query=query,
            refit=refit,
            jobs=jobs,
            workers=workers,
            worker_cpus=worker_cpus,
            worker_gpus=worker_gpus,
            worker_data=worker_data,
            strategy=strategy,
            sampler=sampler,
            fidelity=fidelity,
            plateau=plateau,
            engine=engine,
            tuner=tuner,
            nni_python=nni_python,
            progress=progress,
            **settings,
        )
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
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
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
    from autofi.cli.studies import leaderboard_rows
    from autofi.cli.summary_tables import print_summary

    summary = study.summary()
    if as_json:
        print_json(summary)
    if not quiet:
        print_summary(summary, leaderboard_rows(study), storage=storage, stderr=as_json)


def _given(**values: Any) -> dict[str, Any]:
    """Only what was given, so that the library's own defaults hold for the rest."""
    return {key: value for key, value in values.items() if value is not None}


def register(app: typer.Typer) -> None:
    app.command(epilog=SEARCH_EXAMPLES)(search)
    app.command(epilog=WORKER_EXAMPLES)(worker)
    app.command(epilog=RETRAIN_EXAMPLES)(retrain)
