"""The commands that delete and rename studies: `delete` and `rename`."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from autofi.cli import options
from autofi.cli.early_checks import check_new_study, check_study
from autofi.cli.output import print_json, say
from autofi.errors import ConfigError

DELETE_EXAMPLES = (
    "[bold]Examples[/bold]\n\nautofi delete mine\n\n"
    "autofi delete mine --yes   [dim]without asking, as a script needs it[/dim]"
)
RENAME_EXAMPLES = "[bold]Examples[/bold]\n\nautofi rename mine clicks-2026"


def delete(
    study: options.Study,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    storage: options.Storage = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Delete a study: its trials, models, predictions and listed files. Reports and exported bundles stay.

    A study that a living process searches, or that has a worker, cannot be deleted.
    """
    check_study(study, storage)
    import autofi

    if not yes:
        _ask(study, storage)
    removed = autofi.delete_study(study, storage=storage)
    if as_json:
        print_json(dataclasses.asdict(removed))
    elif not quiet:
        left = f" Left: {', '.join(removed.left)}." if removed.left else ""
        say(f"Deleted study '{removed.name}' with {removed.trials} trials and {removed.models} models.{left}")


def rename(
    study: options.Study,
    new: Annotated[str, typer.Argument(help="The new name.", metavar="NEW")],
    storage: options.Storage = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Give a study another name, with its stages, models and files.

    The name must be free. A study that a living process searches, or that has a worker, cannot be renamed.
    """
    check_study(study, storage)
    check_new_study(new, storage)
    import autofi
    from autofi.cli.summary_tables import command

    autofi.rename_study(study, new, storage=storage)
    if as_json:
        print_json({"study": new, "before": study})
    elif not quiet:
        say(f"Renamed study '{study}' to '{new}'. Next: {command('show', new)}")


def _ask(study: str, storage: str | None) -> None:
    """Ask for confirmation, and return where it is given."""
    from autofi.store import StudyStore, resolve_storage

    with StudyStore(resolve_storage(storage)) as store:
        store.open(study)
        question = f"Delete study '{study}' of {store.url} with all of its trials and models?"
    try:
        agreed = typer.confirm(question, err=True)
    except typer.Abort as error:
        say("")  # ends the line of the question
        raise ConfigError(
            f"Study '{study}' was not deleted, because nobody confirmed it; add --yes."
        ) from error
    if not agreed:
        say("Nothing was deleted.")
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    app.command(epilog=DELETE_EXAMPLES)(delete)
    app.command(epilog=RENAME_EXAMPLES)(rename)
