"""The section on the costs of the winner, part by part, and on the rows that its gates keep."""

from __future__ import annotations

from autofi.report.blocks import Block, Section, Table, Text, drawing
from autofi.report.findings import Findings
from autofi.report.study_figures import StudyFigures

#: The most rows of the table of gates.
LISTED = 100


def costs_section(findings: Findings, figures: StudyFigures) -> Section:
    """Return the section: bytes by table and cross, and rows that gates removed."""
    blocks: list[Block] = [drawing("costs", figures.costs)]
    costs = findings.costs
    if costs is not None:
        blocks.append(
            Text(
                f"Trained tables and trees: {costs.trained_bytes:,} bytes; vocabularies, crosses and target encodings: "
                f"{costs.fitted_bytes:,} bytes; trained numbers: {costs.parameters:,}."
            )
        )
        if costs.gated:
            rows = [
                [
                    " × ".join(table.fields),
                    table.operator,
                    f"{table.rows:,}",
                    f"{table.full_rows:,}",
                    f"{table.rows / table.full_rows:.0%}",
                ]
                for table in costs.gated[:LISTED]
            ]
            blocks += [
                Text("Gates removed rows of these tables for good; they are not in the model."),
                Table(("field", "table", "rows kept", "of", "share"), rows),
            ]
        else:
            blocks.append(Text("Gates removed no row: every table has all of its rows."))
    return Section("costs", "What it costs, part by part", blocks)
