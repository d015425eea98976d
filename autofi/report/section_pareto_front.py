"""The section on cheaper models: the Pareto front."""

from __future__ import annotations

import shlex
from functools import partial

from autofi.objectives.objectives import OBJECTIVES
from autofi.records.trial_metrics import measure
from autofi.report.blocks import Block, Notice, Section, Table, Text, drawing
from autofi.report.findings import Findings
from autofi.report.study_figures import StudyFigures
from autofi.text.objective_values import FRONT, front_table, goals_words

_COSTS = ("table_bytes", "parameters", "flops", "latency")


def trade_offs_section(findings: Findings, figures: StudyFigures) -> Section:
    """Return a figure per measured cost, and the front of several objectives as a table."""
    words = goals_words(findings.summary)
    blocks: list[Block] = [Text(f"Searched for {words}.")] if words else []
    shown = [
        cost for cost in _COSTS if sum(measure(trial, cost) is not None for trial in findings.complete) > 1
    ]
    blocks += [drawing(f"trade_off_{cost}", partial(figures.trade_off, cost), half=True) for cost in shown]
    if not shown:
        blocks.append(Notice("Fewer than two trials were measured, so there is no choice yet."))
    else:
        labels = ", ".join(OBJECTIVES[cost].label for cost in shown)
        blocks.append(
            Text(
                f"No trial beats a point of the front in both ({labels} against the first objective). Hover over a "
                "point, or tap it, to see the command that exports it."
            )
        )
    heading, rows = front_table(findings.summary)
    if rows:
        name = shlex.quote(findings.record.name)
        blocks += [
            Text(FRONT),
            Table(
                [*heading, "export"],
                [[*row, f"autofi export {name} --trial {row[0]} -o model"] for row in rows],
            ),
        ]
    return Section("trade-offs", "What a cheaper model would cost", blocks)
