"""The summary of a study in 80 columns, which a search ends with and `show` prints.

It has the verdict, the winner against every baseline, the best trials, the choices, and the next command.
The rest is in `--json` and in the report.
"""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from autofi.cli.output import console
from autofi.core.units import describe_seconds, short
from autofi.objectives.objectives import OBJECTIVES, Goals
from autofi.store.records import LEADERS
from autofi.text.architecture import boosted_words, told
from autofi.text.best_so_far import exportable_words
from autofi.text.data_warnings import warning_lines
from autofi.text.objective_values import FRONT, goals_words, missed_words
from autofi.text.verdict import (
    advice,
    alike,
    course,
    mean_and_deviation,
    read_before,
    untested_words,
    verdict,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

#: The most columns of the leaderboard, and its width.
SHOWN_COLUMNS, NARROW = 8, 80
#: The most pairs of a choice, and the most trials of the front, that are named.
NAMED_PAIRS, NAMED_POINTS = 12, 30
CHOICES = ("memorize", "factorize", "memorize+factorize", "naive")
Summary = Mapping[str, Any]
Trials = Sequence[Mapping[str, Any]]


def print_summary(
    summary: Summary,
    leaders: Trials = (),
    *,
    trials: int = 0,
    storage: str | None = None,
    stderr: bool = False,
) -> None:
    """Print the summary; parts that are not known yet (null) are left out.

    Args:
        summary: The result of `Study.summary()`.
        leaders: The first rows of `Study.leaderboard()`; at most LEADERS of them are shown.
        trials: The number of all its rows.
        storage: The storage that the command was given.
        stderr: Print to standard error.
    """
    out = console(stderr=stderr)
    kept = f"{summary['study']} in {summary['storage']}"
    searched = bool(summary.get("best") or summary.get("winner") or not summary.get("baselines"))
    missed = bool(summary.get("missed") and not summary.get("winner"))
    if searched and not missed:
        for line in (
            *sentences(summary),
            *(summary.get("reasons") or ()),
            read_before(summary.get("choice")),
        ):
            _print_line(out, "", line)
    _print_line(out, "", missed_words(summary))
    if not missed:
        out.print(_models_table(summary))
        _print_line(out, "", alike(_models(summary)))
    if not searched:
        # A comparison: nothing was searched.
        _print_line(out, "Kept as: ", kept)
        return
    _print_goals(out, summary)
    _print_leaderboard(out, summary, leaders[:LEADERS], trials)
    if missed:
        _print_line(out, "Kept as: ", kept)
        return
    _print_choices(out, summary)
    for line in (*_gaucs(summary), *warning_lines(summary.get("warnings") or [])):
        _print_line(out, "", line)
    if summary.get("apart"):
        _print_line(
            out, "Apart:   ", f"no validation row shares {' × '.join(summary['apart'])} with training rows"
        )
    for sentence in course(summary):
        _print_line(out, "", f"{sentence}.")
    if seconds := _seconds(summary):
        _print_line(out, "Seconds: ", seconds)
    _print_line(out, "Kept as: ", kept)
    if early := summary.get("best_so_far"):
        _print_command(out, f"{exportable_words(early)} ", export_command(summary, storage))
    _print_command(out, "Report:  ", report_command(summary, storage))
    _print_command(out, "Next:    ", next_command(summary, storage))


def sentences(summary: Summary) -> list[str]:
    """Return the comparison in sentences; if a baseline won, they say so and what to do."""
    winner, comparison = summary.get("winner"), summary.get("comparison")
    if not winner or not (winner.get("test") or winner.get("valid")):
        return ["The winner is not retrained yet; the numbers are those of the search."]
    if untested_words(summary):
        return [untested_words(summary)]
    if not comparison:
        return ["No baseline was trained, so there is nothing to compare the winner with."]
    said, figures = verdict(comparison)
    way_out = advice(comparison)
    return [f"{said} ({figures}).", *([way_out] if way_out else [])]


def _gaucs(summary: Summary) -> list[str]:
    """Return one line with every model's GAUC on test rows, where the table has groups."""
    models = [model for model in (summary.get("winner"), *(summary.get("baselines") or [])) if model]
    told = [
        f"{model['name']} {model['test']['gauc']:.4f}"
        for model in models
        if (model.get("test") or {}).get("gauc") is not None
    ]
    return [f"Test GAUC: {', '.join(told)}."] if told else []


def report_command(summary: Summary, storage: str | None) -> str:
    """Return the command that writes the report."""
    return command("report", str(summary["study"]), *_place(summary, storage))


def _place(summary: Summary, storage: str | None) -> tuple[str, ...]:
    known = storage is None or storage == os.environ.get("AUTOFI_STORAGE")
    return () if known else ("--storage", str(summary["storage"]))


def next_command(summary: Summary, storage: str | None) -> str:
    """Return the command to run next.

    It names the storage that this command was given, without its password, unless the environment names the
    same.
    """
    study, place = str(summary["study"]), _place(summary, storage)
    if not summary.get("winner"):
        return command("retrain", study, *place)
    return export_command(summary, storage)


def export_command(summary: Summary, storage: str | None) -> str:
    """Return the command that exports the winner, or the best trial so far."""
    study = str(summary["study"])
    return command("export", study, "-o", f"{study.replace('/', '-')}-model", *_place(summary, storage))


def command(*words: str) -> str:
    return shlex.join(("autofi", *words))


def _models(summary: Summary) -> list[Summary]:
    """Return the winner, or else the best trial, then baselines and other retrained trials, best first."""
    winner, best = summary.get("winner"), summary.get("best")
    first: list[Summary] = [winner] if winner else []
    if best and not winner:
        first = [{"name": f"trial {best['trial']}", "valid": best.get("valid")}]
    others = [*(summary.get("baselines") or []), *(summary.get("retrained") or [])]
    return first + sorted(others, key=_strength)


def _models_table(summary: Summary) -> Table:
    from rich.text import Text

    models = _models(summary)
    part = "test" if any(model.get("test") for model in models) else "valid"
    columns: dict[str, list[str]] = {
        "seeds": [str(model.get("seeds") or "") for model in models],
        f"{part} AUC": [mean_and_deviation(model.get(part) or {}) for model in models],
        "95 % interval": [_interval(model.get(part) or {}) for model in models],
        "logloss": [_number((model.get(part) or {}).get("logloss")) for model in models],
        "bytes": [_short(model.get("table_bytes"), unit="B") for model in models],
        "parameters": [_short(model.get("parameters")) for model in models],
    }
    names = [str(model["name"]) for model in models]
    columns = _fitting({"model": names}, columns)
    table = _table()
    for heading in columns:
        left = heading == "model"
        table.add_column(heading, justify="left" if left else "right", no_wrap=not left, overflow="fold")
    leads = bool(summary.get("winner") or summary.get("best"))
    for place in range(len(models)):
        cells = _texts(*(cells[place] for cells in columns.values()))
        table.add_row(*cells, style="bold" if leads and place == 0 else None)
    if not models:
        table.add_row(Text("nothing is finished yet"))
    return table


def _interval(figures: Mapping[str, Any]) -> str:
    interval = figures.get("auc_interval")
    return f"{interval[0]:.4f}–{interval[1]:.4f}" if interval else ""


def _strength(model: Summary) -> float:
    figures = model.get("test") or model.get("valid") or {}
    auc = figures.get("auc")
    return 0.0 if auc is None else -float(auc)


def _print_leaderboard(out: Console, summary: Summary, rows: Trials, trials: int) -> None:
    """Print the best trials, those within the limits first, in the order of the objectives."""
    if not rows:
        return
    goals = Goals.parse(summary.get("objectives"), summary.get("limits"))
    measured = (*goals.names, *(limit.name for limit in goals.limits))
    wanted = dict.fromkeys((*measured, "auc", "logloss", "parameters", "table_bytes", "seconds"))
    notes = {"": [_note(summary, row) for row in rows]}
    columns = _fitting(
        {"trial": [str(row["trial"]) for row in rows]},
        {_HEADINGS.get(name, name): [_figure(name, row) for row in rows] for name in wanted},
        notes,
    )
    table = _table()
    for heading in columns:
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for place in range(len(rows)):
        table.add_row(*_texts(*(cells[place] for cells in columns.values())))
    shown = f" (the first {len(rows)} of {trials})" if trials > len(rows) else ""
    _print_line(
        out, "", f"Leaderboard of the trials, best first by {goals.objectives[0].of_validation}{shown}"
    )
    out.print(table)


#: The headings of columns, by the objective's name.
_HEADINGS = {
    **{name: objective.label for name, objective in OBJECTIVES.items()},
    "table_bytes": "bytes",
    "latency": "latency",
}


def _figure(name: str, row: Mapping[str, Any]) -> str:
    value = row.get(f"valid_{name}", row.get(name))
    if value is None or value != value:
        return ""
    return OBJECTIVES[name].told(float(value)) if name in OBJECTIVES else f"{value:.1f}"


def _note(summary: Summary, row: Mapping[str, Any]) -> str:
    """Return the role of a trial: winner, leader, retrained, over a limit."""
    number, notes = row["trial"], []
    choice, best = summary.get("choice") or {}, summary.get("best") or {}
    if number == choice.get("trial"):
        notes.append("winner")
    elif not choice and number == best.get("trial"):
        notes.append("leads")
    if any(number == model["trial"] for model in summary.get("retrained") or ()):
        notes.append("retrained")
    if row.get("feasible") is False:
        notes.append("over a limit")
    return ", ".join(notes)


def _fitting(
    first: Mapping[str, list[str]],
    columns: Mapping[str, list[str]],
    last: Mapping[str, list[str]] | None = None,
) -> dict[str, list[str]]:
    """Return as many columns as fit between the first and the last ones; columns without a cell are left out."""

    def width(heading: str, cells: Sequence[str]) -> int:
        return 2 + max((len(heading), *map(len, cells)))

    after = {heading: cells for heading, cells in (last or {}).items() if any(cells)}
    room = NARROW - sum(width(heading, cells) for part in (first, after) for heading, cells in part.items())
    found = dict(first)
    for heading, cells in columns.items():
        if any(cells) and width(heading, cells) <= room and len(found) + len(after) < SHOWN_COLUMNS:
            found[heading] = cells
            room -= width(heading, cells)
    return found | after


def _print_choices(out: Console, summary: Summary) -> None:
    """Print the parts of the winner: its pairs, streams and trees."""
    pairs = summary.get("pairs") or []
    if pairs:
        chosen = {choice: [p for p in pairs if p["choice"] == choice] for choice in CHOICES}
        counted = [f"{len(found)} {choice}" for choice, found in chosen.items() if found or "+" not in choice]
        _print_line(out, "Pairs:   ", ", ".join(counted))
        for choice, found in chosen.items():
            if found and choice != "naive":
                names = ", ".join(f"{pair['left']} × {pair['right']}" for pair in found[:NAMED_PAIRS])
                more = f" and {len(found) - NAMED_PAIRS} more" if len(found) > NAMED_PAIRS else ""
                _print_line(out, "", f"  {choice}: {names}{more}")
    for number, line in enumerate(told(summary.get("streams") or [])):
        _print_line(out, "         " if number else "Streams: ", line)
    if summary.get("boosted_share") is not None:
        _print_line(out, "Beside:  ", boosted_words(summary["boosted_share"]))


def _print_goals(out: Console, summary: Summary) -> None:
    _print_line(out, "Goals:   " if goals_words(summary) else "", goals_words(summary))
    points = summary.get("front") or []
    if points:
        numbers = ", ".join(str(point["trial"]) for point in points[:NAMED_POINTS])
        more = f" and {len(points) - NAMED_POINTS} more" if len(points) > NAMED_POINTS else ""
        _print_line(out, "Front:   ", f"{FRONT.rstrip('.')}: trials {numbers}{more}")


def _table() -> Table:
    from rich import box
    from rich.table import Table

    return Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))


def _texts(*cells: str) -> list[Text]:
    # Text, not str, because a user's column may have the name [bold].
    from rich.text import Text

    return [Text(str(cell)) for cell in cells]


def _print_line(out: Console, label: str, text: str) -> None:
    """Print a line, wrapped where the width is known; nothing where label and text are empty."""
    if label or text:
        out.print(label + text, markup=False, soft_wrap=_is_piped(out))


def _print_command(out: Console, label: str, text: str) -> None:
    """Print a command in one line, or continued by backslashes where it does not fit; both can be pasted."""
    if _is_piped(out) or len(label) + len(text) <= out.width:
        out.print(label + text, markup=False, soft_wrap=True)
        return
    lines, room = [""], out.width - len(label) - 2
    for word in map(shlex.quote, shlex.split(text)):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > room:
            lines.append("  " + word)
        else:
            lines[-1] = f"{lines[-1]} {word}".lstrip() if len(lines) == 1 else f"{lines[-1]} {word}"
    for number, line in enumerate(lines):
        end = " \\" if number < len(lines) - 1 else ""
        out.print((label if number == 0 else " " * len(label)) + line + end, markup=False, soft_wrap=True)


def _is_piped(out: Console) -> bool:
    """Return True where the width of lines is not known."""
    return not out.is_terminal and "COLUMNS" not in os.environ


def _seconds(summary: Summary) -> str:
    """Return the seconds of all runs by stage; "" where `course` tells those of the only run."""
    seconds, last = summary.get("seconds") or {}, summary.get("time") or {}
    runs = ""
    if last.get("limit") is not None:
        if math.isclose(seconds.get("total") or 0.0, last["spent"]):
            return ""
        runs = " (all runs)"
    told = [f"{name} {describe_seconds(value)}" for name, value in seconds.items() if value is not None]
    return f"{', '.join(told)}{runs}" if told else ""


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _short(count: float | None, *, unit: str = "") -> str:
    return "" if count is None else short(float(count), unit=unit)
