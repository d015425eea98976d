"""The command `explain`, which shows the contributions to the probabilities of rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autofi.cli import options
from autofi.cli.bundles import Data
from autofi.cli.early_checks import check_bundle
from autofi.cli.output import console, print_json, say, working

if TYPE_CHECKING:
    from rich.table import Table

    from autofi.explanation.explanation import Explanation, Part, StreamPart

EXAMPLES = (
    "[bold]Examples[/bold]\n\nautofi explain model today.csv --rows 3\n\n"
    "autofi explain model today.parquet -o explanations.parquet\n\n"
    "autofi explain model sqlite:///clicks.db --query 'SELECT * FROM today LIMIT 1' --json"
)
SHOWN_ROWS = 10
#: The characters of the longest bar, to either side: in a window of at least WIDE columns, and in a narrower one.
BAR, WIDE, NARROW_BAR = 12, 100, 4
#: The most weights of a stream or an operator that are shown, and the most parts of each.
SHOWN_WEIGHTS = 3
SHOWN_PARTS = 5


def explain(
    bundle: options.Bundle,
    data: Data,
    rows: Annotated[
        int | None,
        typer.Option(
            help=f"Number of rows from the start of the table. [dim]default: {SHOWN_ROWS}, with --output all[/dim]",
            min=1,
            show_default=False,
        ),
    ] = None,
    top: Annotated[
        int, typer.Option(help="Number of contributions to show per row, largest first.", min=1)
    ] = 10,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="File to write instead: CSV or Parquet with a line per row and part, or JSON.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    query: options.Query = None,
    header: options.Header = None,
    delimiter: options.Delimiter = None,
    as_json: options.Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Show what made the probability of each row: contributions of fields and pairs, and the crosses that were known.

    A contribution is the logit less the logit with that part of the network masked to zero. Needs the form
    torch.
    """
    check_bundle(bundle, data, query=query, header=header, delimiter=delimiter)
    import autofi

    read: dict[str, Any] = {"query": query, "header": header, "delimiter": delimiter}
    if output is not None:
        with working(quiet=quiet) as progress:
            count = autofi.explain_file(bundle, data, output, rows=rows, progress=progress, **read)
        if as_json:
            print_json({"output": output, "rows": count})
        elif not quiet:
            say(f"Wrote explanations of {count:,} rows to {output}")
        return
    with working(quiet=quiet) as progress:
        found = autofi.explain(bundle, data, rows=rows or SHOWN_ROWS, progress=progress, **read)
    if as_json:
        print_json({"explanations": [explanation.to_json() for explanation in found]})
        return
    for explanation in found:
        _print(explanation, top)


def register(app: typer.Typer) -> None:
    app.command(epilog=EXAMPLES)(explain)


def _print(explanation: Explanation, top: int) -> None:
    from rich.text import Text

    shown = console()
    shown.print(
        Text(
            f"row {explanation.row:,}: probability {explanation.probability:.4f}, logit {explanation.logit:+.3f} "
            f"(average {explanation.average:+.3f})",
            style="bold",
        )
    )
    shown.print(_table(explanation, top))
    for stream in explanation.streams:
        for line in _stream_lines(stream):
            shown.print(Text(f"  {line}"), soft_wrap=True)
    shown.print()


def _table(explanation: Explanation, top: int) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    parts = explanation.parts()
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name, justify in (
        ("part", "left"),
        ("logit", "right"),
        ("", "left"),
        ("with pairs", "right"),
        ("value", "left"),
        ("known", "left"),
        ("seen", "right"),
        ("clicked", "right"),
    ):
        # In a narrow window names and values take several lines; a bar must stay on one.
        table.add_column(
            name,
            justify="right" if justify == "right" else "left",
            overflow="fold",
            no_wrap=name not in ("part", "value"),
            min_width=12 if name == "part" else None,
        )
    others = [("baseline", explanation.baseline)]
    others += explanation.other_summands()
    longest = max(abs(explanation.shown(part)) for part in parts[:top]) if parts else 0.0
    most = BAR if console().width >= WIDE else NARROW_BAR
    for part in parts[:top]:
        table.add_row(*(Text(cell) for cell in _cells(explanation, part, longest, most)))
    if len(parts) > top:
        left = sum(map(explanation.shown, parts[top:]))
        table.add_row(f"and {len(parts) - top:,} more", f"{left:+.3f}")
    for name, logit in others:
        table.add_row(Text(name, style="dim"), f"{logit:+.3f}")
    return table


def _cells(explanation: Explanation, part: Part, longest: float, most: int) -> tuple[str, ...]:
    from autofi.explanation.explanation import FieldPart

    logit = explanation.shown(part)
    counted = "" if part.seen is None else f"{part.seen:,}"
    clicked = "" if part.rate is None else f"{part.rate:.1%}"
    first = (part.name, f"{logit:+.3f}", bar(logit, longest, most))
    if isinstance(part, FieldPart):
        with_pairs = "" if explanation.trees_alone else f"{part.contribution:+.3f}"
        return (*first, with_pairs, _value(part.value), part.status, counted, clicked)
    hits = ", ".join(form.name for form in part.forms if form.hit)
    known = f"hit: {hits}" if part.status == "partly" else part.status or ""
    return (*first, "", "", known, counted, clicked)


def bar(logit: float, longest: float, most: int = BAR) -> str:
    """Return a bar of at most `most` characters, right of the middle for a positive logit, left for a negative one."""
    length = round(most * abs(logit) / longest) if longest else 0
    return f"{'':{most}}│{'█' * length}" if logit >= 0 else f"{'█' * length:>{most}}│"


def _value(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ", ".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _stream_lines(stream: StreamPart) -> list[str]:
    """Return a stream's line, then those of its weights that favour a part most."""
    found = [f"stream {stream.name}: {stream.contribution:+.3f}"]
    sharpest = sorted(stream.weights, key=lambda each: -max(each.weights.values(), default=0.0))
    for each in sharpest[:SHOWN_WEIGHTS]:
        largest = sorted(each.weights.items(), key=lambda item: -item[1])
        told = ", ".join(f"{part} {weight:.2f}" for part, weight in largest[:SHOWN_PARTS])
        more = len(largest) - SHOWN_PARTS
        found.append(f"  {each.name}: {told or 'nothing'}{f' and {more} more' if more > 0 else ''}")
    if len(sharpest) > SHOWN_WEIGHTS:
        found.append(f"  and {len(sharpest) - SHOWN_WEIGHTS} more (--json)")
    return found
