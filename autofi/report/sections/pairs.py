"""Which pairs matter."""

from __future__ import annotations

from autofi.report.blocks import Block, Section, Table, Text, drawing
from autofi.report.findings import Findings
from autofi.report.study_figures import StudyFigures

#: Pairs of the table; the map has all.
LISTED = 60


def pairs_section(findings: Findings, figures: StudyFigures) -> Section:
    """The interaction map, how sure the best trials are of it, what pairs gained, and the pairs by name."""
    blocks: list[Block] = [
        drawing(
            "interaction_map",
            figures.interaction_map,
            "Hover over a pair for its form, how often the best trials chose the same, and what it gained; over the "
            "diagonal for the forms of a field. Drag to zoom, double-click to see all.",
        ),
        drawing("pair_choices", figures.pair_choices, half=True),
        drawing("pair_gains", figures.pair_gains, half=True),
    ]
    chosen = [pair for pair in findings.summary.get("pairs") or () if pair["choice"] != "naive"]
    if chosen:
        rows = [
            [f"{pair['left']} × {pair['right']}", pair["choice"], pair["form"]] for pair in chosen[:LISTED]
        ]
        blocks.append(Table(("pair", "choice", "form"), rows))
        if len(chosen) > LISTED:
            blocks.append(Text(f"And {len(chosen) - LISTED} pairs more."))
    return Section("pairs", "Interaction map", blocks)
