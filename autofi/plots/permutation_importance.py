"""The reliance of a model on its fields, and on pairs of them beyond each field."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from autofi.importance.interaction_scores import Estimate
from autofi.importance.permutation_importance import PermutationImportance
from autofi.plots.style import MAIN, ellipsize, escape_plotly, interval_bars, laid_out

#: The most fields or pairs that are shown, the most important ones.
SHOWN = 20


def plot_field_importance(found: PermutationImportance) -> go.Figure:
    """Return the rise of the logloss when a field is shuffled, with its 95 % interval, the largest on top."""
    return _bars(found.fields, "Importance of fields", "rise of the logloss when shuffled")


def plot_pair_importance(found: PermutationImportance) -> go.Figure:
    """Return the rise of the logloss when a pair is shuffled, less that of each field alone, the largest on top."""
    pairs = {" × ".join(names): estimate for names, estimate in found.pairs.items()}
    return _bars(pairs, "Importance of pairs beyond their fields", "rise together less each alone")


def _bars(found: Mapping[str, Estimate], title: str, axis: str) -> go.Figure:
    # Largest last: the last bar is on top.
    shown = list(found.items())[:SHOWN][::-1]
    places = list(range(len(shown)))
    drawn = go.Figure(
        go.Bar(
            x=[estimate.mean for _, estimate in shown],
            y=places,
            orientation="h",
            marker={"color": MAIN},
            error_x=interval_bars((estimate.low, estimate.mean, estimate.high) for _, estimate in shown),
            customdata=[
                [escape_plotly(name), f"{estimate.low:+.5f} to {estimate.high:+.5f}"]
                for name, estimate in shown
            ],
            hovertemplate="%{customdata[0]}: %{x:+.5f}<br>95 %: %{customdata[1]}<extra></extra>",
            showlegend=False,
        )
    )
    drawn.update_xaxes(title=axis, tickformat=".2~g", nticks=5)
    # Bars stand by place: two long names may be cut to the same text.
    drawn.update_yaxes(
        tickvals=places, ticktext=[escape_plotly(ellipsize(name, 28)) for name, _ in shown], showgrid=False
    )
    return laid_out(drawn, title, height=130 + 24 * len(shown))
