"""Options that several commands share, and the parsers of their texts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from autofi.cli.field_options import typer_option
from autofi.engine.search_options import GOALS
from autofi.errors import ConfigError

ROWS_HELP = "A CSV, TSV, Parquet, Arrow, JSON or libsvm file, a folder or glob of them, or a database URL with --query."
DATA_HELP = f"{ROWS_HELP.removesuffix('.')}; or [bold]planted[/bold] (generated data with a known truth)."

Storage = Annotated[str | None, typer_option("storage")]
Study = Annotated[
    str, typer.Argument(help="Name of a study; [bold]autofi studies[/bold] lists them.", metavar="STUDY")
]
Bundle = Annotated[Path, typer.Argument(help="Folder written by [bold]autofi export[/bold].", metavar="DIR")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
Device = Annotated[str, typer_option("device")]
Jobs = Annotated[int | None, typer_option("jobs")]
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
Header = Annotated[bool | None, typer_option("header")]
Delimiter = Annotated[str | None, typer_option("delimiter")]
Query = Annotated[str | None, typer_option("query")]
Target = Annotated[str | None, typer_option("target")]
Split = Annotated[str | None, typer_option("split")]
ValidFile = Annotated[Path | None, typer_option("valid")]
TestFile = Annotated[Path | None, typer_option("test")]

_UNIT_SECONDS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhd])")
_DURATION = re.compile(rf"(?:{_DURATION_PART.pattern})+")


def parse_duration(
    text: str, *, flag: str = "--timeout", examples: str = "90s, 10m or 1h30m", zero: bool = False
) -> float:
    """Return the seconds of `2ms`, `90s`, `10m`, `2h`, `1h30m`, or a bare number of seconds; 0 only with `zero`."""
    compact = text.strip().lower().replace(" ", "")
    if re.fullmatch(r"\d+(\.\d+)?", compact):
        seconds = float(compact)
    elif _DURATION.fullmatch(compact):
        seconds = sum(float(number) * _UNIT_SECONDS[unit] for number, unit in _DURATION_PART.findall(compact))
    else:
        raise ConfigError(f"{flag} '{text}' is not a length of time; write {examples}")
    if seconds <= 0 and not zero:
        raise ConfigError(f"{flag} '{text}' is not longer than 0; write {examples}")
    return seconds


def parse_list(text: str) -> tuple[str, ...]:
    """Return `a,b` as ("a", "b"), and `none` as ()."""
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    return () if names == ("none",) else names


def parse_limits(most: list[str] | None, least: list[str] | None) -> tuple[str, ...] | None:
    """Return `--max table_bytes=50MB` and `--min auc=0.7` as `table_bytes<=50MB` and `auc>=0.7`; None without any."""
    found = []
    for flag, sign, texts in (("--max", "<=", most or []), ("--min", ">=", least or [])):
        for text in texts:
            name, equals, value = (part.strip() for part in text.partition("="))
            if not (name and equals and value):
                raise ConfigError(
                    f"{flag} '{text}' is not NAME=VALUE; write for example --max table_bytes=50MB or --min auc=0.7"
                )
            found.append(f"{name}{sign}{value}")
    return tuple(found) or None
