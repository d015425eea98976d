"""The commands for existing studies: `studies`, `show`, `export`, `report` and `dashboard`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autofi.cli import options
from autofi.cli.early_checks import check_report, check_study, check_trial
from autofi.cli.output import print_json, say, working

STUDIES_EXAMPLES = (
    "[bold]Examples[/bold]\n\nautofi studies\n\nautofi studies --storage postgresql://host/autofi"
)
SHOW_EXAMPLES = (
    "[bold]Examples[/bold]\n\nautofi show planted\n\nautofi show mine --json | jq .winner.test.auc"
)
EXPORT_EXAMPLES = (
    "[bold]Examples[/bold]\n\nautofi export mine -o model\n\n"
    "autofi export mine --trial 12 -o small   [dim]another point of the front[/dim]\n\n"
    "autofi export mine -o model --format onnx   [dim]only what ONNX Runtime needs[/dim]\n\n"
    "autofi export mine -o model --calibrate platt   [dim]calibrated on the validation rows[/dim]\n\n"
    "autofi export mine -o model --format onnx --quantize int8   [dim]down to a quarter of the bytes[/dim]"
)
REPORT_EXAMPLES = (
    "[bold]Examples[/bold]\n\nautofi report mine   [dim]studies/mine/report.html[/dim]\n\n"
    "autofi report mine -o report.html --rashomon 0.05   [dim]with interaction scores of all good models[/dim]\n\n"
    "autofi report mine --format md   [dim]studies/mine/study.yaml and report.md, to be committed[/dim]\n\n"
    "autofi report mine -o mine.json"
)
DASHBOARD_EXAMPLES = (
    "[bold]Examples[/bold]\n\nautofi dashboard\n\nautofi dashboard --port 9000\n\n"
    "autofi dashboard --host 0.0.0.0 --token auto\n\nautofi dashboard --token auto --allow-changes"
)


def studies(storage: options.Storage = None, as_json: options.Json = False) -> None:
    """List the studies of a storage."""
    import autofi

    found = autofi.list_studies(storage=storage)
    if as_json:
        from dataclasses import asdict

        print_json({"studies": [asdict(study) for study in found]})
    elif not found:
        say("No studies yet. Next: autofi search")
    else:
        from autofi.cli.listing_tables import print_records

        # The winner is given only by the id of its architecture, which tells a reader nothing.
        print_records(found, below="reason", hidden=("winner",))


def show(study: options.Study, storage: options.Storage = None, as_json: options.Json = False) -> None:
    """Show a study: the winner against every baseline, the leaderboard, the choices, and the next command."""
    # Kept when the search ended; to compute it takes torch, which needs seconds to import, and all predictions.
    from autofi.store.kept_summary import kept_summary
    from autofi.store.storage_url import resolve_storage

    found = kept_summary(study, resolve_storage(storage))
    if found is None:
        check_study(study, storage)
        import autofi

        found = autofi.open_study(study, storage=storage).keep_summary()
    if as_json:
        print_json(found.summary)
        return
    from autofi.cli.summary_tables import print_summary

    print_summary(found.summary, found.leaders, trials=found.trials, storage=storage)


def export(
    study: options.Study,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder to write: new, empty, or a bundle to replace.")
    ],
    trial: Annotated[
        int | None,
        typer.Option(
            help="Number of another trial, such as one of the front; it is retrained first if needed. "
            "[dim]default: the winner, or before there is one the best trial so far[/dim]",
            min=0,
            show_default=False,
        ),
    ] = None,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            help="Forms of the model, with commas: [bold]onnx[/bold], everything from raw columns on; "
            "[bold]pt2[/bold], the network by torch.export; [bold]torch[/bold], its weights.",
            metavar="LIST",
        ),
    ] = "onnx,pt2,torch",
    calibrate: Annotated[
        str | None,
        typer.Option(
            help="platt or isotonic: calibrate the probabilities on the validation rows.",
            metavar="NAME",
            show_default=False,
        ),
    ] = None,
    quantize: Annotated[
        str | None,
        typer.Option(
            help="int8 or fp16: number type of tables and weights in the form onnx; pt2 and torch stay float32.",
            metavar="NAME",
            show_default=False,
        ),
    ] = None,
    storage: options.Storage = None,
    quiet: options.Quiet = False,
) -> None:
    """Write the winner, the best trial of a running search, or any trial, as one folder that scores raw rows."""
    check_study(study, storage)
    check_trial(study, storage, trial)
    import autofi
    from autofi.cli.summary_tables import command

    opened = autofi.open_study(study, storage=storage)
    with working(quiet=quiet) as progress:
        opened.export(
            output,
            trial=trial,
            forms=options.parse_list(form),
            calibrate=calibrate,
            quantize=quantize,
            progress=progress,
        )
    if not quiet:
        say(f"Wrote {output}. Next: {command('predict', str(output), 'DATA', '-o', 'scores.csv')}")


def report(
    study: options.Study,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="File to write, or the folder of --format md. [dim]default: under studies/STUDY[/dim]",
            show_default=False,
        ),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="[bold]html[/bold], one page that needs nothing else; [bold]json[/bold]; [bold]md[/bold], report.md "
            "and study.yaml to be committed. [dim]default: by the ending of --output, else html[/dim]",
            metavar="NAME",
            show_default=False,
        ),
    ] = None,
    rashomon: Annotated[
        float | None,
        typer.Option(
            help="Explore the models whose logloss is at most this share above the best, such as 0.05; takes minutes "
            "and is kept in the study.",
            metavar="EPS",
            show_default=False,
        ),
    ] = None,
    storage: options.Storage = None,
    quiet: options.Quiet = False,
) -> None:
    """Write the report of a study, running or finished: the winner, its pairs, its costs, the course of the search."""
    check_study(study, storage)
    check_report(study, output, form)
    import autofi

    opened = autofi.open_study(study, storage=storage)
    with working(quiet=quiet) as progress:
        written = opened.report(output, form, rashomon=rashomon, progress=progress)
    if not quiet:
        say(f"Wrote {written}.")


def dashboard(
    storage: options.Storage = None,
    port: Annotated[
        int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)
    ] = 8080,
    host: Annotated[
        str, typer.Option(help="Address to listen on; one that other machines reach needs a token.")
    ] = "127.0.0.1",
    token: Annotated[
        str | None,
        typer.Option(
            envvar="AUTOFI_DASHBOARD_TOKEN",
            help="Ask every visitor for this token, of 8 characters or more; [bold]auto[/bold] makes one and "
            "prints the URL with it. Other users of this machine can read a command line, but not the variable.",
            show_default=False,
            metavar="TEXT",
        ),
    ] = None,
    allow_changes: Annotated[
        bool,
        typer.Option("--allow-changes", help="Let visitors write notes and delete studies; needs a token."),
    ] = False,
) -> None:
    """Show the studies in a browser, also while they are searched."""
    import autofi

    autofi.open_dashboard(storage=storage, port=port, host=host, token=token, allow_changes=allow_changes)


def register(app: typer.Typer) -> None:
    app.command(epilog=STUDIES_EXAMPLES)(studies)
    app.command(epilog=SHOW_EXAMPLES)(show)
    app.command(epilog=EXPORT_EXAMPLES)(export)
    app.command(epilog=REPORT_EXAMPLES)(report)
    app.command(epilog=DASHBOARD_EXAMPLES)(dashboard)
