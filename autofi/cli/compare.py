"""The command that trains known models side by side: `compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autofi.cli import options
from autofi.cli.early_checks import check_comparison
from autofi.cli.field_options import SearchCommand
from autofi.cli.output import print_json, say, working

EXAMPLES = (
    "[bold]Examples[/bold]\n\nautofi compare studies/zoo/study.yaml --data ../shared/data\n\n"
    "autofi compare mine.yaml --tables clicks --models dnn,deepfm,finalmlp --timeout 2h\n\n"
    "autofi compare mine.yaml --jobs 8   [dim]eight trainings at once, each in a process of its own[/dim]"
)


def compare(
    file: Annotated[
        Path,
        typer.Argument(help="YAML file with models, seeds and tables.", metavar="FILE", show_default=False),
    ],
    data: Annotated[Path, typer.Option(help="Folder of the tables' sources.")] = Path(),
    tables: Annotated[
        str | None, typer.Option(help="Only these tables of the file.", metavar="LIST", show_default=False)
    ] = None,
    models: Annotated[
        str | None, typer.Option(help="Only these models of the file.", metavar="LIST", show_default=False)
    ] = None,
    timeout: Annotated[
        str | None,
        typer.Option(
            help="Begin no training after this time, such as 30m or 2h; the same command continues.",
            metavar="TIME",
            show_default=False,
        ),
    ] = None,
    device: options.Device = "auto",
    jobs: options.Jobs = None,
    storage: options.Storage = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Train known models on several tables under one protocol, over several runs, and write report.md beside FILE."""
    chosen = None if tables is None else options.parse_list(tables)
    check_comparison(file, data, chosen)
    import autofi

    with working(quiet=quiet) as progress:
        found = autofi.compare(
            file,
            data=data,
            tables=chosen,
            models=None if models is None else options.parse_list(models),
            timeout=None if timeout is None else options.parse_duration(timeout),
            device=device,
            jobs=jobs,
            storage=storage,
            progress=progress,
        )
    if as_json:
        print_json(found)
    if not quiet:
        from autofi.cli.summary_tables import print_summary

        for summary in found.values():
            print_summary(summary, storage=storage, stderr=as_json)
        say(f"Report: {file.parent / 'report.md'}")


def register(app: typer.Typer) -> None:
    app.command(epilog=EXAMPLES, cls=SearchCommand)(compare)
