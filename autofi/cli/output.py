"""The output of commands: answers to standard output, everything else to standard error."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer

from autofi.core.json import json_text
from autofi.core.one_line import one_line

if TYPE_CHECKING:
    from rich.console import Console

    from autofi.core.progress import Progress

PIPE_WIDTH = 120


def fail(message: str) -> None:
    """Print the one line of a user's error; control characters, such as in a file's name, are escaped."""
    say(f"autofi: error: {one_line(message)}")


def say(text: str) -> None:
    typer.echo(text, err=True)


def console(*, stderr: bool = False) -> Console:
    """Return a Rich console that does not squeeze tables to 80 columns when its output is not a terminal."""
    from rich.console import Console

    made = Console(stderr=stderr, highlight=False)
    if not made.is_terminal and "COLUMNS" not in os.environ:
        made.width = PIPE_WIDTH
    return made


def print_json(answer: Any) -> None:
    """Print one JSON object on standard output; numbers that JSON cannot hold (NaN, infinity) become null."""
    typer.echo(json_text(answer))


@contextlib.contextmanager
def quiet_stdout() -> Iterator[None]:
    """Redirect standard output of the block, native code included, to standard error."""
    sys.stdout.flush()
    try:
        kept = os.dup(1)
    except OSError:  # standard output is closed, so there is nothing to redirect
        kept = None
    if kept is not None:
        os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        sys.stderr.flush()
        if kept is not None:
            os.dup2(kept, 1)
            os.close(kept)


@contextlib.contextmanager
def working(*, quiet: bool = False) -> Iterator[Progress]:
    """Yield the progress of long work, shown on standard error unless `quiet`; standard output stays clean."""
    from autofi.core.progress import RichProgress, SilentProgress

    with quiet_stdout():
        if quiet:
            yield SilentProgress()
        else:
            with RichProgress() as progress:
                yield progress
