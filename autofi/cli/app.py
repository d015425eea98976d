"""The `autofi` application: its commands, and its handling of errors and of Ctrl-C."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from autofi.cli import (
    bundles,
    catalog,
    compare as comparing,
    delete as removal,
    explain as explaining,
    inspect as tables,
    search as searching,
    serve as serving,
    studies,
)
from autofi.cli.output import fail, say
from autofi.core.optional_dependencies import extras_named
from autofi.errors import AutoFIError

USER_ERROR = 2
INTERRUPTED = 130
RESUMABLE = ("search", "worker", "retrain", "compare")


class Commands(TyperGroup):
    """The group of all commands, which turns errors and interrupts into one line each.

    An error of the user gives exit code 2, and an interrupt says what was kept. Any other exception is a bug of
    ours and keeps its traceback.
    """

    def invoke(self, ctx: Any) -> Any:
        try:
            with extras_named():
                return super().invoke(ctx)
        except AutoFIError as error:
            fail(str(error))
            raise typer.Exit(USER_ERROR) from error
        except TyperException as error:
            fail(f"{error.format_message().rstrip('.')}; {_help_of(ctx)}")
            raise typer.Exit(USER_ERROR) from error
        except KeyboardInterrupt as stop:
            if ctx.invoked_subcommand in RESUMABLE:
                say("autofi: interrupted; finished work is kept; run the same command again to resume")
            else:
                say("autofi: interrupted")
            raise typer.Exit(INTERRUPTED) from stop


app = typer.Typer(
    cls=Commands,
    rich_markup_mode="rich",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Try it on generated data: [bold]autofi search[/bold]\n\n"
    "Then on a table of yours: [bold]autofi search clicks.parquet --target click[/bold]",
)


def _help_of(ctx: Any) -> str:
    named = (ctx.invoked_subcommand,) if ctx.invoked_subcommand else ()
    return f"see {' '.join(('autofi', *named))} --help"


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import PackageNotFoundError, version

        try:
            typer.echo(version("autofi"))
        except PackageNotFoundError:
            typer.echo("unknown: this source tree is not installed")
        raise typer.Exit


@app.callback()
def autofi(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Search which pairs of fields a click-through-rate model should memorize, factorize or leave out."""


for group in (searching, comparing, studies, removal, bundles, explaining, serving, tables, catalog):
    group.register(app)
