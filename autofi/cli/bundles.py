"""The commands that use an exported model: `predict` and `evaluate`."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from autofi.cli import options
from autofi.cli.early_checks import check_bundle
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
    typer.Option(help="The form of the model to run; auto is onnx where the bundle has it.", metavar="NAME"),
]
TrustPt2 = Annotated[
    bool,
    typer.Option(
        "--trust-pt2",
        help="Load pt2, although torch evaluates texts in it: the author of the bundle can then run code here.",
    ),
]
Device = Annotated[Literal["cpu", "cuda"], typer.Option(help="The device: cpu or cuda.", metavar="NAME")]
Data = Annotated[str, typer.Argument(help=options.ROWS_HELP, metavar="DATA")]


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
    trust_pt2: TrustPt2 = False,
    device: Device = "cpu",
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Score raw rows: one probability per row, in the order of the rows.

    One line on standard error warns where the rows are far from those of training, field by field.
    """
    check_bundle(bundle, data, query=query, header=header, delimiter=delimiter, output=output)
    import autofi

    predictor = autofi.load(bundle, runtime=runtime, device=device, trust=trust_pt2)
    with _skew_told() as skew, working(quiet=quiet) as progress:
        rows = predictor.predict_file(
            data, output, query=query, header=header, delimiter=delimiter, progress=progress
        )
    if as_json:
        print_json({"output": output, "rows": rows} | skew)
    elif not quiet:
        say(f"Wrote {rows:,} probabilities to {output}")


def evaluate(
    bundle: options.Bundle,
    data: Data,
    query: options.Query = None,
    header: options.Header = None,
    delimiter: options.Delimiter = None,
    runtime: Runtime = "auto",
    trust_pt2: TrustPt2 = False,
    device: Device = "cpu",
    unweighted: Annotated[
        bool,
        typer.Option("--unweighted", help="Count every row once, where the study has a column of weights."),
    ] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Score raw rows that carry the target, and print AUC and logloss with the row weights of the study.

    One line on standard error warns where the rows are far from those of training, field by field.
    """
    check_bundle(
        bundle,
        data,
        query=query,
        header=header,
        delimiter=delimiter,
        labelled=True,
        unweighted=unweighted,
    )
    import autofi

    predictor = autofi.load(bundle, runtime=runtime, device=device, trust=trust_pt2)
    with _skew_told() as skew, working(quiet=quiet) as progress:
        measured = predictor.evaluate(
            data, query=query, header=header, delimiter=delimiter, unweighted=unweighted, progress=progress
        )
    if as_json:
        print_json(measured | skew)
    else:
        from autofi.cli.listing_tables import print_figures

        print_figures(measured)


@contextlib.contextmanager
def _skew_told() -> Iterator[dict[str, Any]]:
    """Turn a SkewWarning in the block into a line on standard error, and into `skew` of the yielded dict."""
    from autofi.bundle.skew import SkewWarning

    found: dict[str, Any] = {}
    lines = []
    with warnings.catch_warnings():
        others = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            if isinstance(message, SkewWarning):
                found["skew"] = message.skew.to_json()
                lines.append(f"autofi: warning: {message}")
            else:
                others(message, category, *place, **more)

        warnings.showwarning = show
        warnings.simplefilter("always", SkewWarning)
        yield found
    for line in lines:
        say(line)


def register(app: typer.Typer) -> None:
    app.command(epilog=PREDICT_EXAMPLES)(predict)
    app.command(epilog=EVALUATE_EXAMPLES)(evaluate)
