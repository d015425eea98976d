"""Options that several commands share, and how their texts are read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autofi.errors import ConfigError

if TYPE_CHECKING:
    from autofi import SchemaOverrides

DATA_HELP = (
    "A CSV, TSV, Parquet or libsvm file, a folder or glob of Parquet files, a database URL with --query, "
    "or [bold]planted[/bold] (generated data with a known truth)."
)
COLUMNS = "Columns"
GOALS = "Goals"
SPLIT = "Split"

Storage = Annotated[
    str | None,
    typer.Option(
        "--storage",
        envvar="AUTOFI_STORAGE",
        help="Database of the studies, as a URL. [dim]default: sqlite:///studies/autofi.db[/dim]",
        show_default=False,
        metavar="URL",
    ),
]
Study = Annotated[
    str, typer.Argument(help="Name of a study; [bold]autofi studies[/bold] lists them.", metavar="STUDY")
]
Bundle = Annotated[Path, typer.Argument(help="Folder written by [bold]autofi export[/bold].", metavar="DIR")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
Jobs = Annotated[
    int | None,
    typer.Option(
        help="Trainings at once, each in a process of its own. [dim]default: 1, on a GPU 4[/dim]",
        min=1,
        show_default=False,
    ),
]
Objectives = Annotated[
    list[str] | None,
    typer.Option(
        "--objective",
        help="What to make better, the first of them leading: auc, logloss, gauc, parameters, table_bytes, flops or "
        "latency. Repeatable. [dim]default: auc[/dim]",
        rich_help_panel=GOALS,
        metavar="NAME",
        show_default=False,
    ),
]
Most = Annotated[
    list[str] | None,
    typer.Option(
        "--max",
        help="A limit the winner keeps, such as table_bytes=50MB or latency=200us. Repeatable.",
        rich_help_panel=GOALS,
        metavar="NAME=VALUE",
        show_default=False,
    ),
]
Least = Annotated[
    list[str] | None,
    typer.Option(
        "--min",
        help="The same from below, such as auc=0.7. Repeatable.",
        rich_help_panel=GOALS,
        metavar="NAME=VALUE",
        show_default=False,
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no table.")]
Query = Annotated[
    str | None,
    typer.Option(help="SQL to run when DATA is a database URL.", metavar="SQL", show_default=False),
]
Target = Annotated[
    str | None,
    typer.Option(
        help="Column with the clicks: 0/1, -1/1 or true/false.", rich_help_panel=COLUMNS, metavar="C"
    ),
]
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
        help="Column with several values per cell, and what separates them. Repeatable.",
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
Split = Annotated[
    str | None,
    typer.Option(
        help="random:0.8,0.1,0.1, time:COLUMN or group:COLUMN. [dim]default: random:0.8,0.1,0.1[/dim]",
        rich_help_panel=SPLIT,
        show_default=False,
        metavar="RULE",
    ),
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
ValidFile = Annotated[
    Path | None, typer.Option("--valid", help="File with the validation rows.", rich_help_panel=SPLIT)
]
TestFile = Annotated[
    Path | None, typer.Option("--test", help="File with the test rows.", rich_help_panel=SPLIT)
]
SchemaFile = Annotated[
    Path | None,
    typer.Option(
        "--schema",
        help="YAML with the same settings; flags win over it.",
        rich_help_panel=COLUMNS,
        metavar="FILE",
    ),
]

_UNIT_SECONDS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhd])")
_DURATION = re.compile(rf"(?:{_DURATION_PART.pattern})+")


def parse_duration(
    text: str, *, flag: str = "--timeout", examples: str = "90s, 10m or 1h30m", zero: bool = False
) -> float:
    """Seconds of `2ms`, `90s`, `10m`, `2h`, `1h30m`, or a bare number of seconds; none at all only if `zero`."""
    compact = text.strip().lower().replace(" ", "")
    if re.fullmatch(r"\d+(\.\d+)?", compact):
        seconds = float(compact)
    elif _DURATION.fullmatch(compact):
        seconds = sum(float(number) * _UNIT_SECONDS[unit] for number, unit in _DURATION_PART.findall(compact))
    else:
        raise ConfigError(f"{flag} must be a length of time, not '{text}': write {examples}")
    if seconds <= 0 and not zero:
        raise ConfigError(f"{flag} must be longer than nothing, not '{text}': write {examples}")
    return seconds


def parse_list(text: str) -> tuple[str, ...]:
    """`a,b` as ("a", "b"); `none` as nothing."""
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    return () if names == ("none",) else names


def parse_limits(most: list[str] | None, least: list[str] | None) -> tuple[str, ...] | None:
    """`--max table_bytes=50MB` and `--min auc=0.7` as `table_bytes<=50MB` and `auc>=0.7`; None where there is none."""
    found = []
    for flag, sign, texts in (("--max", "<=", most or []), ("--min", ">=", least or [])):
        for text in texts:
            name, equals, value = (part.strip() for part in text.partition("="))
            if not (name and equals and value):
                raise ConfigError(
                    f"{flag} must be NAME=VALUE, not '{text}': such as --max table_bytes=50MB or --min auc=0.7"
                )
            found.append(f"{name}{sign}{value}")
    return tuple(found) or None


def parse_multi_valued(texts: list[str]) -> dict[str, str]:
    """`genres:|` as {"genres": "|"}, divided at the first colon (the YAML file takes any name)."""
    separators: dict[str, str] = {}
    for text in texts:
        column, _, separator = text.partition(":")
        if not column or not separator:
            raise ConfigError(
                f"--multi-valued must be COLUMN:SEPARATOR, not '{text}': such as --multi-valued 'genres:|'"
            )
        separators[column] = separator
    return separators


def schema_overrides(
    *,
    file: Path | None = None,
    ignore: list[str] | None = None,
    categorical: list[str] | None = None,
    numeric: list[str] | None = None,
    multi_valued: list[str] | None = None,
    weight: str | None = None,
    group: str | None = None,
    time: str | None = None,
    split_column: str | None = None,
) -> SchemaOverrides | None:
    """What the YAML file says, changed by the flags; None when neither says anything."""
    kinds: dict[str, Any] = {
        "ignore": tuple(ignore or ()),
        "categorical": tuple(categorical or ()),
        "numeric": tuple(numeric or ()),
        "multi_valued": parse_multi_valued(multi_valued or []),
    }
    roles = {"weight": weight, "group": group, "time": time, "split_column": split_column}
    given_roles = {key: name for key, name in roles.items() if name is not None}
    if file is None and not any(kinds.values()) and not given_roles:
        return None

    import autofi

    settings: dict[str, Any] = {} if file is None else autofi.load_overrides(file).model_dump()
    flagged = {column for columns in kinds.values() for column in columns}
    for key, columns in kinds.items():
        kept = settings.get(key, ())
        if isinstance(columns, dict):
            settings[key] = {c: sep for c, sep in dict(kept).items() if c not in flagged} | columns
        else:
            settings[key] = (*(c for c in kept if c not in flagged), *columns)
    settings["ignore"] = tuple(c for c in settings["ignore"] if c not in given_roles.values())
    return autofi.SchemaOverrides(**settings | given_roles)
