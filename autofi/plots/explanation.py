"""The explanation of a row as a waterfall: from the baseline, part by part, to the logit."""

from __future__ import annotations

import plotly.graph_objects as go

from autofi.explanation.explanation import Explanation, Part
from autofi.plots.style import escape_plotly

#: The most fields and pairs with a bar of their own.
SHOWN_PARTS = 15
_RISE, _FALL, _WHOLE = "#f58518", "#4c78a8", "#54278f"


def plot_explanation(explanation: Explanation, *, shown: int = SHOWN_PARTS, height: int = 450) -> go.Figure:
    """Return the sum of an `Explanation` as a waterfall: the largest parts, then all others as one bar.

    Args:
        explanation: The row's explanation.
        shown: The most parts with a bar of their own.
        height: In pixels.
    """
    parts = explanation.parts()
    bars = [("baseline", explanation.baseline, "everything masked")]
    bars += [(part.name, explanation.shown(part), _told(part)) for part in parts[:shown]]
    if len(parts) > shown:
        others = parts[shown:]
        bars.append(
            (
                f"{len(others)} more",
                sum(map(explanation.shown, others)),
                "fields and pairs with smaller contributions",
            )
        )
    hints = {"together": "the joint effect of several parts"}
    bars += [(name, step, hints.get(name, "")) for name, step in explanation.other_summands()]
    names, steps, texts = zip(*bars, strict=True)
    # Bars stand by place, not by name: a field may have the name of another bar.
    places = list(range(len(bars) + 1))
    drawn = go.Figure(
        go.Waterfall(
            orientation="h",
            y=places,
            x=[*steps, 0.0],
            measure=["relative"] * len(bars) + ["total"],
            text=[f"{step:+.3f}" for step in steps] + [f"{explanation.logit:+.3f}"],
            customdata=[*map(escape_plotly, texts), f"probability {explanation.probability:.4f}"],
            hovertemplate="%{text}<br>%{customdata}<extra></extra>",
            increasing={"marker": {"color": _RISE}},
            decreasing={"marker": {"color": _FALL}},
            totals={"marker": {"color": _WHOLE}},
        )
    )
    drawn.add_vline(x=explanation.average, line_dash="dot", annotation_text="average")
    drawn.update_layout(
        title=f"Row {explanation.row:,}: probability {explanation.probability:.4f}",
        template="none",
        height=height,
        margin={"l": 20, "r": 20, "t": 40, "b": 40},
        xaxis={"title": "logit"},
        yaxis={
            "tickvals": places,
            "ticktext": [*map(escape_plotly, names), "logit"],
            "autorange": "reversed",
            "automargin": True,
            "showgrid": False,
        },
    )
    return drawn


def _told(part: Part) -> str:
    told = [] if part.seen is None else [f"{part.seen:,} training rows"]
    if part.rate is not None:
        told.append(f"{part.rate:.1%} clicked")
    return ", ".join(told)
