"""Plain tables of records, data frames and numbers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

from autofi.cli.output import console

if TYPE_CHECKING:
    from autofi.checks.run import DataChecks
    from autofi.data.schema_inference import InferredSchema

#: The most characters of a value that a table shows.
_SHOWN = 60


def print_records(records: Sequence[Any], *, below: str | None = None, hidden: Collection[str] = ()) -> None:
    """Print one row per dataclass instance (all of one class), and one column per field that any of them has.

    Fields in `hidden` are left out, and the field `below` becomes a sentence under the table.
    """
    if not records:
        return
    names = [field.name for field in fields(records[0]) if field.name not in {below, *hidden}]
    rows = [[getattr(record, name) for name in names] for record in records]
    told = [i for i in range(len(names)) if any(row[i] not in (None, "", ()) for row in rows)]
    _print_table([names[i] for i in told], [[row[i] for i in told] for row in rows])
    for record in records:
        if below is not None and getattr(record, below, None):
            console().print(f"{record.name}: {getattr(record, below)}", markup=False, soft_wrap=True)


def print_columns(found: InferredSchema) -> None:
    """Print how a table would be read, one row per column."""
    names = ("column", "used as", "kind", "values", "type", "distinct", "missing share", "example", "note")
    rows = [
        (
            column.name,
            column.role,
            column.kind if column.role in ("field", "group") else None,
            column.values,
            column.type,
            f"{column.distinct:,}+" if column.capped else column.distinct,
            column.missing_share,
            _shortened(column.example),
            column.note,
        )
        for column in found.summaries
    ]
    _print_table(names, rows, caption=f"{found.rows:,} rows, target '{found.schema.target}'")
    for note in found.notes:
        console().print(f"Note: {note}", markup=False)


def _shortened(example: str | None) -> str | None:
    return example if example is None or len(example) <= _SHOWN else f"{example[:_SHOWN]}..."


def print_checks(found: DataChecks) -> None:
    """Print rows by part, fields, and warnings, the most serious first."""
    drifts = {(drift.field, drift.part): drift.index for drift in found.drifts}
    names = ("field", "kind", "values", "missing share", "unseen valid share", "unseen test share")
    rows = [
        (
            field.name,
            field.kind,
            f"{field.distinct:,} buckets" if field.bucketed else field.distinct,
            field.missing,
            field.unseen_valid,
            field.unseen_test,
            drifts.get((field.name, "valid")),
            drifts.get((field.name, "test")),
        )
        for field in found.summary.fields
    ]
    _print_table((*names, "drift to valid", "drift to test"), rows)
    parts = [(name, part.rows, part.click_rate) for name, part in found.summary.parts.items()]
    _print_table(("part", "rows", "click share"), parts)
    out = console()
    for warning in found.warnings:
        out.print(f"Warning: {warning.sentence}", markup=False)
    if not found.warnings:
        out.print("The checks found no problem.")
    out.print(found.looked_at, markup=False)


def print_figures(figures: Mapping[str, Any]) -> None:
    _print_table([], [[name, value] for name, value in figures.items()])


def _print_table(
    names: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    title: str | None = None,
    caption: str | None = None,
) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=box.SIMPLE_HEAD if names else None,
        show_header=bool(names),
        title=title,
        title_justify="left",
        caption=caption,
        caption_justify="left",
    )
    for place in range(len(rows[0])):
        numbers = all(_is_number(row[place]) or row[place] is None for row in rows)
        header = names[place].replace("_", " ") if names else ""
        # A time that is broken over two lines is easily misread.
        whole = any(isinstance(row[place], datetime) for row in rows)
        table.add_column(header, justify="right" if numbers else "left", overflow="fold", no_wrap=whole)
    for row in rows:
        # Text, not str: a value may hold brackets that Rich would take for markup.
        table.add_row(
            *(Text(text_of(value, name)) for value, name in zip(row, names or [""] * len(row), strict=True))
        )
    console().print(table)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def text_of(value: Any, name: str = "") -> str:
    """Return a cell as text: shares in per cent, thousands with commas, local time, "" for None."""
    if hasattr(value, "item") and callable(value.item):
        value = value.item()
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, datetime):
        return f"{value.astimezone():%Y-%m-%d %H:%M}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.1%}" if name.endswith("share") else f"{value:.4f}"
    if isinstance(value, tuple | list):
        return ", ".join(text_of(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{key}={text_of(item)}" for key, item in value.items())
    return str(value)
