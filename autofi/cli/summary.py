"""The table a search ends with: the winner against every baseline, the choices, the next command."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from autofi.cli.output import console
from autofi.objectives import short
from autofi.progress import describe_seconds
from autofi.report.front import FRONT, front_table, goals_words, missed_words
from autofi.report.streams import boosted_words, told
from autofi.report.verdict import course, untested_words, verdict
from autofi.report.warnings import warning_lines

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

SHOWN_PAIRS = 30
MODEL_FIGURES = (
    "valid\nAUC",
    "test\nAUC",
    "95 %\ninterval",
    "test\nlogloss",
    "para-\nmeters",
    "tables",
    "seconds",
)
CHOICES = ("memorize", "factorize", "naive")
Summary = Mapping[str, Any]


def print_summary(
    summary: Summary, *, storage: str | None = None, stderr: bool = False, all_pairs: bool = False
) -> None:
    """`summary` as `Study.summary()` gives it; parts that are not known yet (null) are left out."""
    out = console(stderr=stderr)
    pairs, fields = summary.get("pairs") or [], summary.get("fields") or []
    if fields:
        out.print(_fields_table(fields))
    if pairs:
        _print_pairs(out, pairs, limit=None if all_pairs else SHOWN_PAIRS)
    for number, line in enumerate(told(summary.get("streams") or [])):
        _print_line(out, "         " if number else "Streams: ", line)
    if summary.get("boosted_share") is not None:
        _print_line(out, "Beside:  ", boosted_words(summary["boosted_share"]))
    _print_front(out, summary)
    kept = f"{summary['study']} in {summary['storage']}"
    if summary.get("missed") and not summary.get("winner"):
        _print_line(out, "", missed_words(summary))
        _print_line(out, "Kept as: ", kept)
        return
    out.print(_models_table(summary))
    if not (summary.get("best") or summary.get("winner")) and summary.get("baselines"):
        # Nothing was searched: models side by side.
        _print_line(out, "Kept as: ", kept)
        return
    if missed_words(summary):
        _print_line(out, "", missed_words(summary))
    for line in (*sentences(summary), *_gaucs(summary), *warning_lines(summary.get("warnings") or [])):
        out.print(line, markup=False, soft_wrap=True)
    if summary.get("apart"):
        _print_line(
            out, "Apart:   ", f"no validation row shares {' × '.join(summary['apart'])} with training rows"
        )
    for sentence in course(summary):
        out.print(f"{sentence}.", markup=False, soft_wrap=True)
    _print_line(out, "Seconds: ", _seconds(summary.get("seconds") or {}))
    _print_line(out, "Kept as: ", kept)
    _print_line(out, "Report:  ", report_command(summary, storage))
    _print_line(out, "Next:    ", next_command(summary, storage))


def sentences(summary: Summary) -> list[str]:
    """What the comparison says; plainly so when a baseline won, and then what to do."""
    winner, comparison = summary.get("winner"), summary.get("comparison")
    if not winner or not (winner.get("test") or winner.get("valid")):
        return ["Not retrained yet: the figures are those of the search."]
    if untested_words(summary):
        return [untested_words(summary)]
    if not comparison:
        return ["No baseline was trained, so there is nothing to compare the winner with."]
    said, figures = verdict(comparison)
    way_out = (
        f"Take {comparison['baseline']} for this table, or search longer (--trials, --timeout) "
        "or in another --space."
    )
    return [f"{said} ({figures}).", *([way_out] if comparison["verdict"] == "worse" else [])]


def _gaucs(summary: Summary) -> list[str]:
    """One line with every model's GAUC on test rows, where the table has groups."""
    models = [model for model in (summary.get("winner"), *(summary.get("baselines") or [])) if model]
    told = [
        f"{model['name']} {model['test']['gauc']:.4f}"
        for model in models
        if (model.get("test") or {}).get("gauc") is not None
    ]
    return [f"Test GAUC: {', '.join(told)}."] if told else []


def report_command(summary: Summary, storage: str | None) -> str:
    """What makes a page of all this."""
    return command("report", str(summary["study"]), *_place(summary, storage))


def _place(summary: Summary, storage: str | None) -> tuple[str, ...]:
    known = storage is None or storage == os.environ.get("AUTOFI_STORAGE")
    return () if known else ("--storage", str(summary["storage"]))


def next_command(summary: Summary, storage: str | None) -> str:
    """What one types after this. `storage` is what this command was given: unless the environment says so
    too, the next one needs it as well, as the summary spells it (without its password)."""
    study, place = str(summary["study"]), _place(summary, storage)
    if not summary.get("winner"):
        return command("retrain", study, *place)
    return command("export", study, "-o", f"{study.replace('/', '-')}-model", *place)


def command(*words: str) -> str:
    return shlex.join(("autofi", *words))


def _models_table(summary: Summary) -> Table:
    from rich.text import Text

    table = _table("model")
    # Two-line headings and a test AUC that may wrap at its ± keep the table within 80 columns.
    for heading in MODEL_FIGURES:
        table.add_column(heading, justify="right", no_wrap=heading != MODEL_FIGURES[1])
    winner = summary.get("winner")
    best = summary.get("best")
    if winner:
        table.add_row(*_model_cells(winner), style="bold")
    elif best:
        cells = _model_cells({"name": f"trial {best['trial']}", "valid": best.get("valid")})
        table.add_row(*cells, style="bold")
    for model in sorted(summary.get("baselines") or [], key=_strength):
        table.add_row(*_model_cells(model))
    if not table.rows:
        table.add_row(Text("nothing is finished yet"))
    return table


def _model_cells(model: Summary) -> list[Text]:
    from rich.text import Text

    valid, test = model.get("valid") or {}, model.get("test") or {}
    seeds = model.get("seeds")
    spread, interval = test.get("auc_std"), test.get("auc_interval")
    name = str(model["name"]) + (f" ({seeds} seeds)" if seeds and seeds > 1 else "")
    cells = [
        name,
        _number(valid.get("auc")),
        _number(test.get("auc")) + (f" ± {spread:.4f}" if spread is not None else ""),
        f"{interval[0]:.4f}–{interval[1]:.4f}" if interval else "",
        _number(test.get("logloss")),
        _short(model.get("parameters")),
        _short(model.get("table_bytes"), unit="B"),
        "" if model.get("seconds") is None else f"{model['seconds']:.1f}",
    ]
    return [Text(cell) for cell in cells]


def _strength(model: Summary) -> float:
    figures = model.get("test") or model.get("valid") or {}
    auc = figures.get("auc")
    return 0.0 if auc is None else -float(auc)


def _print_pairs(out: Console, pairs: Sequence[Summary], *, limit: int | None) -> None:
    counts = {choice: sum(pair["choice"] == choice for pair in pairs) for choice in CHOICES}
    chosen = [pair for choice in CHOICES[:2] for pair in pairs if pair["choice"] == choice]
    counted = ", ".join(f"{counts[choice]} {choice}" for choice in CHOICES)
    _print_line(out, "Pairs:   ", counted)
    if not chosen:
        return
    table = _table("pair", "choice", "form")
    for pair in chosen[:limit]:
        table.add_row(*_texts(f"{pair['left']} × {pair['right']}", pair["choice"], pair.get("form") or ""))
    if limit is not None and len(chosen) > limit:
        table.caption = f"and {len(chosen) - limit} more: autofi show"
    out.print(table)


def _print_front(out: Console, summary: Summary) -> None:
    if goals_words(summary):
        _print_line(out, "Goals:   ", goals_words(summary))
    heading, rows = front_table(summary)
    if not rows:
        return
    table = _table()
    for name in heading:
        table.add_column(name, overflow="fold", justify="left" if name == heading[-1] else "right")
    for row in rows:
        table.add_row(*_texts(*row))
    if len(summary["front"]) > len(rows):
        table.caption = f"and {len(summary['front']) - len(rows)} more: autofi show --json"
    _print_line(out, "Front:   ", FRONT)
    out.print(table)


def _fields_table(fields: Sequence[Summary]) -> Table:
    table = _table("field", "represented by")
    for field in fields:
        forms = field.get("forms") or ()
        table.add_row(*_texts(field["name"], forms if isinstance(forms, str) else " + ".join(forms)))
    return table


def _table(*names: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), caption_justify="left")
    for name in names:
        table.add_column(name, overflow="fold")
    return table


def _texts(*cells: str) -> list[Text]:
    # Text, not str: a column of the user's may be called [bold].
    from rich.text import Text

    return [Text(str(cell)) for cell in cells]


def _print_line(out: Console, label: str, text: str) -> None:
    out.print(label + text, markup=False, soft_wrap=True)


def _seconds(seconds: Summary) -> str:
    return ", ".join(
        f"{name} {describe_seconds(value)}" for name, value in seconds.items() if value is not None
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _short(count: float | None, *, unit: str = "") -> str:
    return "" if count is None else short(float(count), unit=unit)
