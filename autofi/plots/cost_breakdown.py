"""The bytes of a model by part, as bars."""

from __future__ import annotations

import plotly.graph_objects as go

from autofi.evaluation.cost_breakdown import CostBreakdown
from autofi.plots.style import COLOURS, ellipsize, escape_plotly, laid_out

#: The most bars; all smaller parts share one more.
SHOWN = 20


def plot_cost_breakdown(costs: CostBreakdown) -> go.Figure:
    """Return the bytes of tables by field and cross, of preprocessing, of trees and of dense weights.

    The largest part is on top; one bar holds all smaller ones.
    """
    parts = [
        (_name(table.fields), "trained table", table.bytes, table.rows)
        for table in costs.by_fields().values()
    ]
    parts += [(_name(part.fields), part.kind, part.bytes, part.rows) for part in costs.fitted]
    parts += [(part.operator, "weights", part.bytes, 0) for part in costs.weights]
    if costs.trees_bytes:
        parts.append(("boosted trees", "trees", costs.trees_bytes, 0))
    parts.sort(key=lambda part: -part[2])
    shown, rest = parts[:SHOWN], parts[SHOWN:]
    if rest:
        shown.append((f"{len(rest)} smaller ones", "together", sum(part[2] for part in rest), 0))
    kinds = list(dict.fromkeys(part[1] for part in shown))
    names = list(dict.fromkeys(part[0] for part in reversed(shown)))
    drawn = go.Figure()
    for number, kind in enumerate(kinds):
        own = [part for part in shown if part[1] == kind]
        drawn.add_bar(
            x=[part[2] for part in own],
            y=[escape_plotly(ellipsize(part[0], 36)) for part in own],
            orientation="h",
            name=kind,
            marker={"color": COLOURS[number % len(COLOURS)]},
            customdata=[f"{part[3]:,} rows" if part[3] else "" for part in own],
            hovertemplate=f"%{{y}}, {kind}: %{{x:,}} bytes<br>%{{customdata}}<extra></extra>",
        )
    drawn.update_xaxes(title="bytes", tickformat="~s")
    drawn.update_yaxes(
        type="category",
        categoryorder="array",
        categoryarray=[escape_plotly(ellipsize(name, 36)) for name in names],
    )
    return laid_out(
        drawn, "Where the bytes are", height=170 + 24 * len(names), barmode="stack", showlegend=True
    )


def _name(fields: tuple[str, ...]) -> str:
    return " × ".join(fields) if len(fields) <= 3 else f"{len(fields)} fields together"
