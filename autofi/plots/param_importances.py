"""The importance of the search's parameters for its values."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from autofi.plots.style import MAIN, ellipsize, escape_plotly, laid_out

#: The most parameters that are shown, the most important ones.
SHOWN = 20


def plot_param_importances(found: Mapping[str, float]) -> go.Figure:
    """Return bars of the shares, which add up to 1, the largest on top."""
    most = sorted(found.items(), key=lambda item: item[1])[-SHOWN:]
    drawn = go.Figure(
        go.Bar(
            x=[share for _, share in most],
            y=[escape_plotly(ellipsize(name, 32)) for name, _ in most],
            orientation="h",
            marker={"color": MAIN},
            hovertemplate="%{y}: %{x:.1%}<extra></extra>",
        )
    )
    drawn.update_xaxes(tickformat=".0%", title="share")
    drawn.update_yaxes(type="category")
    return laid_out(drawn, "Importance of parameters", height=130 + 24 * len(most))
