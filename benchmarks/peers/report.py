"""The tables that the comparison prints."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table as Shown

from autofi.metrics.ranking import PairedDifference, auc, logloss
from benchmarks.peers.runs import Key, Results
from benchmarks.peers.summary import Comparison, Probabilities, Summary, compare, summarize
from benchmarks.peers.tables import Table

#: Characters of a printed line, which the tables need.
WIDTH = 150
#: A run that took more than so many times its seconds is told.
TOLERATED = 1.2
Lines = Mapping[Key, dict[str, Any]]


def print_report(
    kept: Results,
    tables: Sequence[Table],
    names: Sequence[str],
    owns: Sequence[str],
    seconds: float,
    *,
    caption: str,
) -> None:
    """Print a table for each table that has a finished run, then what they come to for each search of AutoFI."""
    out = Console(width=WIDTH)
    lines = {
        key: line for key, line in kept.lines().items() if key.seconds == seconds and key.entrant in names
    }
    compared: dict[str, list[Comparison]] = {own: [] for own in owns}
    for table in tables:
        found = _predictions(kept, lines, table, names)
        if not found:
            continue
        labels = table.test_labels
        others = {name: of for name, of in found.items() if name not in owns}
        each = {
            own: compare(table.label, labels, own, {own: found[own]} | others) for own in owns if own in found
        }
        for own, one in each.items():
            if one is not None:
                compared[own].append(one)
        first = next((one for one in each.values() if one is not None), None)
        out.print(_shown(table, found, lines, first, seconds))
        out.print(_readings(kept, lines, table, owns), markup=False)
    for own, each_table in compared.items():
        if each_table:
            _print_summary(out, own, summarize(each_table), seconds)
    late = [line for line in lines.values() if line["cpu"] > TOLERATED * seconds]
    for name in dict.fromkeys(line["entrant"] for line in late):
        took = [line["cpu"] for line in late if line["entrant"] == name]
        out.print(
            f"{name} took more than {TOLERATED:g} times its {seconds:g} s in {len(took)} of its runs, "
            f"at most {max(took):.0f} s.",
            markup=False,
        )
    out.print(caption if lines else f"Nothing is finished in {seconds:g} s.")


def print_anytime(
    kept: Results, tables: Sequence[Table], names: Sequence[str], limits: Sequence[float]
) -> None:
    """Print, for each table, the mean test AUC of every entrant in every time, and the CPU seconds it took."""
    out, lines = Console(width=WIDTH), kept.lines()
    for table in tables:
        shown = Shown(title=f"{table.label}: test AUC (CPU seconds)", title_justify="left")
        shown.add_column("entrant")
        for limit in limits:
            shown.add_column(f"{limit:g} s", justify="right")
        for name in names:
            cells = []
            for limit in limits:
                mine = [
                    line
                    for key, line in lines.items()
                    if (key.entrant, key.table, key.seconds) == (name, table.label, limit)
                ]
                cells.append(f"{_mean(mine, 'auc'):.4f} ({_mean(mine, 'cpu'):.0f})" if mine else "")
            if any(cells):
                shown.add_row(name, *cells)
        if shown.rows:
            out.print(shown)


def _predictions(kept: Results, lines: Lines, table: Table, names: Sequence[str]) -> dict[str, Probabilities]:
    found: dict[str, dict[int, Any]] = {}
    for name in names:
        for key in lines:
            if key.entrant == name and key.table == table.label:
                found.setdefault(name, {})[key.seed] = kept.predictions(key)
    return dict(found)


def _shown(
    table: Table, found: Mapping[str, Probabilities], lines: Lines, one: Comparison | None, seconds: float
) -> Shown:
    rows = f"{int(table.part('train').sum()):,} rows to train on, {len(table.test_labels):,} to test on"
    title = f"{table.label}, {seconds:g} s: {rows}" + (f"; differences of {one.own}" if one else "")
    shown = Shown(title=title, title_justify="left")
    for heading in (
        "entrant",
        "seeds",
        "AUC",
        "logloss",
        "CPU s",
        "MB",
        "AUC of AutoFI minus it",
        "logloss of AutoFI minus it",
    ):
        shown.add_column(heading, justify="left" if heading == "entrant" else "right")
    best = max(found, key=lambda name: -_mean(_of(lines, name, table), "logloss"))
    for name in sorted(found, key=lambda name: _mean(_of(lines, name, table), "logloss")):
        mine = _of(lines, name, table)
        differences = one.differences.get(name) if one else None
        shown.add_row(
            name, str(len(mine)), _spread(mine, "auc"), _spread(mine, "logloss"), f"{_mean(mine, 'cpu'):.1f}",
            f"{_mean(mine, 'peak_mb'):,.0f}",
            *(_interval(differences[metric]) if differences else "" for metric in ("auc", "logloss")),
            style="bold" if name == best else None,
        )  # fmt: skip
    if table.probabilities is not None:
        test = table.probabilities[table.part("test")]
        figures = (f"{measure(table.test_labels, test):.4f}" for measure in (auc, logloss))
        shown.add_row("the truth", "", *figures, style="dim")
    return shown


def _readings(kept: Results, lines: Lines, table: Table, owns: Sequence[str]) -> str:
    mine = [line for key, line in lines.items() if key.table == table.label]
    before = min(line["read_before"] for line in mine)
    counted = kept.readings().get(table.origin, {})
    own = sum(count for name, count in counted.items() if name.startswith("AutoFI"))
    return (
        f"Test rows of {table.origin}: {before} models had been measured on them before these; "
        f"{sum(counted.values())} by now, {own} of them AutoFI's.\n"
    )


def _print_summary(out: Console, own: str, summary: Summary, seconds: float) -> None:
    shown = Shown(title=f"{own}, {seconds:g} s, tables: {summary.tables}", title_justify="left")
    for heading in ("", "by logloss", "by AUC"):
        shown.add_column(heading, justify="right" if heading else "left")
    for told, counts in (
        ("best mean", summary.best),
        ("best or tied with the best (95 %)", summary.best_or_tied),
        ("strictly better than every peer (95 %)", summary.strictly_better),
    ):
        shown.add_row(told, str(counts["logloss"]), str(counts["auc"]))
    out.print(shown)
    ranks = ", ".join(
        f"{name} {rank:.2f}" for name, rank in sorted(summary.ranks.items(), key=lambda item: item[1])
    )
    out.print(
        f"Mean rank by logloss over the tables that all have finished ({summary.ranked}): {ranks}\n",
        markup=False,
    )


def _of(lines: Lines, name: str, table: Table) -> list[dict[str, Any]]:
    return [line for key, line in lines.items() if key.entrant == name and key.table == table.label]


def _mean(lines: Sequence[dict[str, Any]], key: str) -> float:
    return statistics.fmean(line[key] for line in lines)


def _spread(lines: Sequence[dict[str, Any]], key: str) -> str:
    values = [line[key] for line in lines]
    return f"{statistics.fmean(values):.4f}" + (
        f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
    )


def _interval(found: PairedDifference) -> str:
    return f"{found.difference:+.4f} [{found.low:+.4f}, {found.high:+.4f}]"
