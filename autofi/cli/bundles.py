"""The commands that use an exported model: `predict` and `evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from autofi.cli import options
from autofi.cli.output import print_json, say, working

PREDICT_EXAMPLES = (
    "[bold]Examples[/bold]\n\nautofi predict model today.csv -o scores.csv\n\n"
    "autofi predict model 'logs/*.parquet' -o scores.parquet\n\n"
    "autofi predict model today.txt --delimiter tab --no-header -o scores.csv\n\n"
    "autofi predict model postgresql://host/ads --query 'SELECT * FROM today' -o scores.parquet"
)
EVALUATE_EXAMPLES = (
    "[bold]Examples[/bold]\n\nautofi evaluate model yesterday.csv\n\n"
    "autofi evaluate model yesterday.parquet --json"
)
Runtime = Annotated[
    Literal["auto", "onnx", "torch", "pt2"],
    typer.Option(
        help="Which form of the model is run; auto is onnx where the bundle has it.", metavar="NAME"
    ),
]
Device = Annotated[Literal["cpu", "cuda"], typer.Option(help="Where it is run: cpu or cuda.", metavar="NAME")]
Data = Annotated[str, typer.Argument(help=options.DATA_HELP, metavar="DATA")]


def predict(
    bundle: options.Bundle,
    data: Data,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="File to write: CSV or Parquet, by its ending.", metavar="FILE"),
    ],
    query: options.Query = None,
    header: options.Header = None,
    delimiter: options.Delimiter = None,
    runtime: Runtime = "auto",
    device: Device = "cpu",
    quiet: options.Quiet = False,
) -> None:
    """Score raw rows: one probability per row, in the order of the rows."""
    import autofi

    predictor = autofi.load(bundle, runtime=runtime, device=device)
    with working(quiet=quiet) as progress:
        rows = predictor.predict_file(
            data, output, query=query, header=header, delimiter=delimiter, progress=progress
        )
    if not quiet:
        say(f"Wrote {rows:,} probabilities to {output}")


def evaluate(
    bundle: options.Bundle,
    data: Data,
    query: options.Query = None,
    header: options.Header = None,
    delimiter: options.Delimiter = None,
    runtime: Runtime = "auto",
    device: Device = "cpu",
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Score raw rows that carry the target and compare."""
    import autofi

    predictor = autofi.load(bundle, runtime=runtime, device=device)
    with working(quiet=quiet) as progress:
        measured = predictor.evaluate(
            data, query=query, header=header, delimiter=delimiter, progress=progress
        )
    if as_json:
        print_json(measured)
    else:
        from autofi.cli.listings import print_figures

        print_figures(measured)


def register(app: typer.Typer) -> None:
    app.command(epilog=PREDICT_EXAMPLES)(predict)
    app.command(epilog=EVALUATE_EXAMPLES)(evaluate)
