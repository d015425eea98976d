"""Options of the command line made of the fields of `SearchOptions`: one help and one way of writing everywhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from types import NoneType
from typing import Any, get_args

import typer
from typer.core import TyperCommand

from autofi.core.option_fields import Form, default_text, flags_of, said_of
from autofi.engine.search_options import SearchOptions

#: Names that a help lists; where there are more, another command lists them.
MOST_CHOICES = 12
#: What Typer reads a form as, where it is not the field's own type.
_READ_AS: Mapping[Form, Any] = {"seconds": str, "names": str, "repeated": list[str], "file": Path}
_FIELDS = {field.name: field for field in dataclasses.fields(SearchOptions)}


class SearchCommand(TyperCommand):
    """A command whose help lists the choices of its options as they are by then."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        for parameter in self.params:
            field = _FIELDS.get(str(parameter.name))
            if field is not None and said_of(field).choices is not None:
                parameter.help = help_of(field.name)  # type: ignore[attr-defined]
        super().format_help(ctx, formatter)


def help_of(name: str) -> str:
    """Return the help of an option, its choices and its default."""
    field = _FIELDS[name]
    said, default = said_of(field), default_text(field)
    parts = [said.help]
    if said.choices is not None:
        choices = tuple(said.choices())
        parts += [f"One of {', '.join(choices)}."] if len(choices) <= MOST_CHOICES else []
    parts += ["Repeatable."] if said.form == "repeated" else []
    parts += [f"[dim]default: {default}[/dim]"] if default else []
    return " ".join(parts)


def typer_option(name: str) -> Any:
    """Return Typer's option for a field; without choices in its help, see `SearchCommand`."""
    field = _FIELDS[name]
    said = said_of(field)
    return typer.Option(
        *flags_of(field),
        help=help_of(name) if said.choices is None else said.help,
        rich_help_panel=said.group,
        metavar=said.metavar,
        min=said.at_least,
        envvar=said.envvar,
        show_default=False,
    )


def typer_type(name: str) -> Any:
    """Return the type that Typer reads a field as; None stands for what is not given."""
    field = _FIELDS[name]
    read = _READ_AS.get(said_of(field).form)
    if read is None:
        types = get_args(field.type) or (field.type,)
        read = next(one for one in types if one not in (NoneType, Path))
    return read | None
