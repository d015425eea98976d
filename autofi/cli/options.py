"""Options that several commands share, and how their texts are read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from autofi.errors import ConfigError

DATA_HELP = (
    "A CSV, TSV, Parquet, Arrow, JSON or libsvm file, a folder or glob of them, a database URL with --query, "
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
Header = Annotated[
    bool | None,
    typer.Option(
        "--header/--no-header",
        help="Whether the first row of CSV or TSV holds the names. [dim]default: found out[/dim]",
        show_default=False,
    ),
]
Delimiter = Annotated[
    str | None,
    typer.Option(
        help="What divides the cells of CSV: a character, or tab. [dim]default: found out[/dim]",
        metavar="C",
        show_default=False,
    ),
]
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
Split = Annotated[
    str | None,
    typer.Option(
        help="random:0.8,0.1,0.1, time:COLUMN or group:COLUMN. [dim]default: random:0.8,0.1,0.1[/dim]",
        rich_help_panel=SPLIT,
        show_default=False,
        metavar="RULE",
    ),
]
ValidFile = Annotated[
    Path | None, typer.Option("--valid", help="File with the validation rows.", rich_help_panel=SPLIT)
]
TestFile = Annotated[
    Path | None, typer.Option("--test", help="File with the test rows.", rich_help_panel=SPLIT)
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
