"""The commands that check a table before a search: `inspect` and `check`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from autofi.cli import options
from autofi.cli.column_options import check_one_split, with_columns
from autofi.cli.early_checks import check_table
from autofi.cli.output import print_json, say, working

INSPECT_EXAMPLES = (
    "[bold]Examples[/bold]\n\nautofi inspect clicks.parquet --target click\n\n"
    "autofi inspect clicks.csv --target click --categorical hour --multi-valued 'genres:|'\n\n"
    "autofi inspect clicks.txt --target c3 --no-header --delimiter tab"
)
CHECK_EXAMPLES = (
    "[bold]Examples[/bold]\n\nautofi check clicks.parquet --target click\n\n"
    "autofi check clicks.csv --target click --split time:day   [dim]as the search will split it[/dim]\n\n"
    "autofi check train.csv --valid valid.csv --test test.csv --target label --json"
)
Data = Annotated[str, typer.Argument(help=options.DATA_HELP, metavar="DATA")]


@with_columns
def inspect(
    data: Data,
    target: options.Target = None,
    query: options.Query = None,
    as_json: options.Json = False,
    *,
    overrides: Any,
) -> None:
    """Show how a table would be read: kind, distinct values and missing share of every column."""
    check_table(data, target=target, overrides=overrides, query=query)
    import autofi

    with working(quiet=True):
        found = autofi.inspect_table(data, target=target, overrides=overrides, query=query)
    if as_json:
        from dataclasses import asdict

        columns = [asdict(column) for column in found.summaries]
        print_json(
            {
                "rows": found.rows,
                "target": found.schema.target,
                "columns": columns,
                "notes": list(found.notes),
            }
        )
    else:
        from autofi.cli.listing_tables import print_columns

        print_columns(found)


@with_columns
def check(
    data: Data,
    target: options.Target = None,
    split: options.Split = None,
    valid: options.ValidFile = None,
    test: options.TestFile = None,
    query: options.Query = None,
    as_json: options.Json = False,
    *,
    overrides: Any,
) -> None:
    """Split and read a table as a search would, and warn of problems that would make its results misleading.

    These are fields and pairs that give the click away, and fields that drift. Labels of test rows are not
    read.
    """
    check_one_split(split, overrides)
    check_table(data, target=target, overrides=overrides, query=query, split=split, others=(valid, test))
    import autofi

    with working() as progress:
        found = autofi.check_table(
            data,
            target=target,
            overrides=overrides,
            split=split,
            valid=valid,
            test=test,
            query=query,
            progress=progress,
        )
    if as_json:
        print_json(found.to_json())
        return
    from autofi.cli.listing_tables import print_checks

    print_checks(found)
    say("Next: autofi search, with the same options")


def register(app: typer.Typer) -> None:
    app.command(epilog=INSPECT_EXAMPLES)(inspect)
    app.command(epilog=CHECK_EXAMPLES)(check)
