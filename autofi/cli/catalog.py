"""The commands that list the choices of a search: `spaces` and `operators`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autofi.cli import options
from autofi.cli.early_checks import check_space
from autofi.cli.output import print_json

if TYPE_CHECKING:
    from autofi.space.catalog import OperatorInfo, SpaceInfo

SPACES_EXAMPLES = (
    "[bold]Examples[/bold]\n\nautofi spaces\n\nautofi search clicks.csv --target click --space fm\n\n"
    "AUTOFI_SPACES=models autofi spaces   [dim]with models/*.yaml, spaces of your own[/dim]\n\n"
    "autofi spaces --nni default > search_space.json   [dim]for an experiment of NNI of your own[/dim]"
)
OPERATORS_EXAMPLES = (
    "[bold]Examples[/bold]\n\nautofi operators\n\nautofi operators dcnv2 autoint\n\nautofi operators --json"
)


Markdown = Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")]


def spaces(
    as_json: options.Json = False,
    markdown: Markdown = False,
    nni: Annotated[
        str | None,
        typer.Option(
            help="Print this space, a name or a file, as a search space document of NNI instead.",
            metavar="SPACE",
            show_default=False,
        ),
    ] = None,
) -> None:
    """List the named search spaces: what they search, and their sources.

    Spaces in the folder AUTOFI_SPACES follow those that come with AutoFI.
    """
    if nni is not None:
        check_space(nni)
    import autofi

    if nni is not None:
        print_json(autofi.nni_space(nni))
        return
    if markdown:
        typer.echo(spaces_markdown(autofi.list_spaces()))
        return
    _print_catalog("spaces", autofi.list_spaces(), as_json=as_json)


def operators(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="List these only, by name or alias.", show_default=False),
    ] = None,
    as_json: options.Json = False,
    markdown: Markdown = False,
) -> None:
    """List the operators a search space can name: what they compute, cost and take, and their sources.

    A space may also name an operator by one of its aliases. Parameters and products of a row are told for ten fields
    of 1,000 values, at default settings.
    """
    import autofi

    found = autofi.list_operators(*(names or ()))
    if markdown:
        typer.echo(operators_markdown(found))
        return
    _print_catalog("operators", found, as_json=as_json)


def spaces_markdown(records: Sequence[SpaceInfo]) -> str:
    """Return a Markdown table of spaces: name, kind, summary and differences from the source."""
    rows = [
        f"| {_linked(record)} | {record.kind} | {' '.join(filter(None, (record.summary, record.differs)))} |"
        for record in records
    ]
    return "\n".join(["| space | has | what it is |", "| --- | --- | --- |", *rows])


def operators_markdown(records: Sequence[OperatorInfo]) -> str:
    """Return a Markdown table of operators: name, choice, summary and differences from the source."""
    rows = [
        f"| {_linked(record)} | {record.choice} | {record.summary}{f' ({record.differs})' if record.differs else ''} |"
        for record in records
    ]
    return "\n".join(["| operator | is | what it gives |", "| --- | --- | --- |", *rows])


def _linked(record: SpaceInfo | OperatorInfo) -> str:
    return f"[`{record.name}`]({record.source})" if record.source else f"`{record.name}`"


def _print_catalog(name: str, records: Any, *, as_json: bool) -> None:
    if as_json:
        from dataclasses import asdict

        print_json({name: [asdict(record) for record in records]})
    else:
        from autofi.cli.listing_tables import print_records

        print_records(records)


def register(app: typer.Typer) -> None:
    app.command(epilog=SPACES_EXAMPLES)(spaces)
    app.command(epilog=OPERATORS_EXAMPLES)(operators)
