"""The section on the ranking of held-out rows and on thresholds."""

from __future__ import annotations

from functools import partial

from autofi.report.blocks import Block, Section, Table, Text, drawing
from autofi.report.findings import Findings
from autofi.report.study_figures import StudyFigures
from autofi.report.threshold_table import ranked_part, thresholds

_HEADING = ("threshold", "share flagged", "precision", "recall", "lift")


def ranking_section(findings: Findings, figures: StudyFigures) -> Section:
    """Return ROC, precision and recall, lift, and a table of thresholds.

    They are of test rows, or of validation rows before test rows are scored.
    """
    part = ranked_part(findings)
    held = findings.held_out.get(part)
    blocks: list[Block] = []
    if held is not None:
        rows = {"valid": "validation", "test": "test"}[part]
        weighed = "" if held.weights is None else "; rows are weighed as in training"
        blocks.append(
            Text(
                f"Measured on {len(held.labels):,} {rows} rows, with the first seed of each model{weighed}. A row is "
                "flagged if its predicted probability is at least the threshold."
            )
        )
    blocks += [
        drawing("roc", partial(figures.roc, part), half=True),
        drawing("precision_recall", partial(figures.precision_recall, part), half=True),
        drawing("lift", partial(figures.lift, part), half=True),
    ]
    found = thresholds(findings)
    if found is not None:
        blocks += [
            Text(
                "The winner by threshold: precision is the click rate of the flagged rows (the click rate of "
                "all rows is "
                f"{found.base_rate:.2%}), recall the share of all clicks that is among them, lift the precision "
                "divided "
                "by the click rate of all rows."
            ),
            Table(
                _HEADING,
                [
                    [
                        f"{row.threshold:.4f}",
                        f"{row.flagged:.2%}",
                        f"{row.precision:.2%}",
                        f"{row.recall:.1%}",
                        f"{row.lift:.2f}",
                    ]
                    for row in found.rows
                ],
            ),
        ]
    return Section("ranking", "Ranking and thresholds", blocks)
