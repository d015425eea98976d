"""The section with the interaction map of pairs."""

from __future__ import annotations

from autofi.report.blocks import Block, Section, Table, Text, drawing
from autofi.report.findings import Findings
from autofi.report.study_figures import UNGROUPED, StudyFigures

#: The most pairs of the table; the map has all.
LISTED = 24


def pairs_section(findings: Findings, figures: StudyFigures) -> Section:
    """Return the interaction map, the agreement of the best trials, the gains of pairs, and the pairs by name."""
    narrow = len(findings.names) <= UNGROUPED
    order = "" if narrow else " Fields that form pairs stand side by side."
    blocks: list[Block] = [
        drawing(
            "interaction_map",
            figures.interaction_map,
            "Hover over a pair, or tap it, to see its form, how often the best trials chose the same, and its "
            "gain; the "
            f"diagonal shows the forms of a field. Drag to zoom, double-click to see all.{order}",
        ),
        drawing("pair_choices", figures.pair_choices, half=narrow),
        drawing("pair_gains", figures.pair_gains, half=narrow),
    ]
    chosen = [pair for pair in findings.summary.get("pairs") or () if pair["choice"] != "naive"]
    if chosen:
        rows = [
            [f"{pair['left']} × {pair['right']}", pair["choice"], pair["form"]] for pair in chosen[:LISTED]
        ]
        blocks.append(Table(("pair", "choice", "form"), rows))
        if len(chosen) > LISTED:
            blocks.append(Text(f"And {len(chosen) - LISTED} more pairs: the map has all."))
    return Section("pairs", "Interaction map", blocks)
