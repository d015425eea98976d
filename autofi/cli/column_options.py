"""The options for reading the columns of a table, equal for every command that opens one."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autofi.cli.options import Delimiter, Header
from autofi.engine.search_options import COLUMNS, SPLIT
from autofi.errors import ConfigError

if TYPE_CHECKING:
    from autofi import SchemaOverrides

Ignore = Annotated[
    list[str] | None,
    typer.Option(help="Column to leave out. Repeatable.", rich_help_panel=COLUMNS, metavar="C"),
]
Categorical = Annotated[
    list[str] | None,
    typer.Option(help="Column to read as categorical. Repeatable.", rich_help_panel=COLUMNS, metavar="C"),
]
Numeric = Annotated[
    list[str] | None,
    typer.Option(help="Column to read as numeric. Repeatable.", rich_help_panel=COLUMNS, metavar="C"),
]
MultiValued = Annotated[
    list[str] | None,
    typer.Option(
        help="Column with several values per cell, and their separator. Repeatable.",
        rich_help_panel=COLUMNS,
        metavar="C:SEP",
    ),
]
Weight = Annotated[
    str | None, typer.Option(help="Column with row weights.", rich_help_panel=COLUMNS, metavar="C")
]
Group = Annotated[
    str | None,
    typer.Option(help="Column whose rows belong together (GAUC).", rich_help_panel=COLUMNS, metavar="C"),
]
Time = Annotated[
    str | None, typer.Option(help="Column with the time of a row.", rich_help_panel=COLUMNS, metavar="C")
]
SplitColumn = Annotated[
    str | None,
    typer.Option(
        help="Column that says train, valid or test.",
        rich_help_panel=SPLIT,
        show_default=False,
        metavar="C",
    ),
]
Missing = Annotated[
    list[str] | None,
    typer.Option(
        help="Text or number that means a missing value in any column; columns of numbers also know NA, NULL, - and "
        "others. Repeatable.",
        rich_help_panel=COLUMNS,
        metavar="MARK",
    ),
]
Decimal = Annotated[
    str | None,
    typer.Option(
        help="Decimal mark of numbers in texts, '.' or ','; detected where it is certain.",
        rich_help_panel=COLUMNS,
        metavar="MARK",
    ),
]
SchemaFile = Annotated[
    Path | None,
    typer.Option(
        "--schema",
        help="YAML file with the same settings; flags override it.",
        rich_help_panel=COLUMNS,
        metavar="FILE",
    ),
]


def with_columns(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with these options added; it gets them as `overrides`."""
    own = inspect.signature(command, eval_str=True)
    read = inspect.signature(schema_overrides, eval_str=True).parameters

    @functools.wraps(command)
    def called(**given: Any) -> None:
        flags = {name: given.pop(name) for name in read}
        command(**given, overrides=schema_overrides(**flags))

    parameters = [*(each for name, each in own.parameters.items() if name != "overrides"), *read.values()]
    called.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {each.name: each.annotation for each in parameters}
    return called


def check_one_split(split: str | None, overrides: SchemaOverrides | None) -> None:
    """Raise ConfigError for a split rule beside a column that defines the split."""
    if split is not None and overrides is not None and overrides.split_column is not None:
        raise ConfigError(
            f"--split {split} and --split-column {overrides.split_column} (or split_column of --schema) exclude each "
            "other; give one"
        )


def parse_multi_valued(texts: list[str]) -> dict[str, str]:
    """Return `genres:|` as {"genres": "|"}, split at the first colon (the YAML file takes any name)."""
    separators: dict[str, str] = {}
    for text in texts:
        column, _, separator = text.partition(":")
        if not column or not separator:
            raise ConfigError(
                f"--multi-valued '{text}' is not COLUMN:SEPARATOR; write for example --multi-valued 'genres:|'"
            )
        separators[column] = separator
    return separators


def schema_overrides(
    *,
    ignore: Ignore = None,
    categorical: Categorical = None,
    numeric: Numeric = None,
    multi_valued: MultiValued = None,
    weight: Weight = None,
    group: Group = None,
    time: Time = None,
    split_column: SplitColumn = None,
    missing: Missing = None,
    decimal: Decimal = None,
    header: Header = None,
    delimiter: Delimiter = None,
    schema: SchemaFile = None,
) -> Any:
    """Return the SchemaOverrides of the YAML file, changed by the flags; None when both are empty.

    The return type is Any, because `--help` resolves annotations before AutoFI is imported.
    """
    kinds: dict[str, Any] = {
        "ignore": tuple(ignore or ()),
        "categorical": tuple(categorical or ()),
        "numeric": tuple(numeric or ()),
        "multi_valued": parse_multi_valued(multi_valued or []),
    }
    roles = {"weight": weight, "group": group, "time": time, "split_column": split_column}
    given_roles = {key: name for key, name in roles.items() if name is not None}
    if decimal not in (None, ".", ","):
        raise ConfigError(f"--decimal '{decimal}' is not a decimal mark; give '.' or ','")
    marks = tuple(missing) if missing else None
    text = {"header": header, "delimiter": delimiter, "decimal": decimal, "missing": marks}
    given_text = {key: value for key, value in text.items() if value is not None}
    if schema is None and not any(kinds.values()) and not given_roles and not given_text:
        return None

    import autofi

    settings: dict[str, Any] = {} if schema is None else autofi.load_overrides(schema).model_dump()
    flagged = {column for columns in kinds.values() for column in columns}
    for key, columns in kinds.items():
        kept = settings.get(key, ())
        if isinstance(columns, dict):
            settings[key] = {c: sep for c, sep in dict(kept).items() if c not in flagged} | columns
        else:
            settings[key] = (*(c for c in kept if c not in flagged), *columns)
    settings["ignore"] = tuple(c for c in settings["ignore"] if c not in given_roles.values())
    return autofi.SchemaOverrides(**settings | given_roles | given_text)
