"""Predicted against observed click rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from autofi.metrics.calibration import ReliabilityBin
from autofi.plots.style import COLOURS, OTHER, escape_plotly, laid_out


def plot_calibration_curve(bins: Mapping[str, Sequence[ReliabilityBin]]) -> go.Figure:
    """Return a curve per model with the standard error of every observed rate.

    On the diagonal, predictions are exact.
    """
    drawn = go.Figure()
    everything = [one for found in bins.values() for one in found]
    most = max((max(one.predicted, one.rate) for one in everything), default=1.0)
    drawn.add_scatter(
        x=[0, most],
        y=[0, most],
        mode="lines",
        line={"dash": "dot", "width": 1, "color": OTHER},
        name="exact",
        hoverinfo="skip",
    )
    for number, (name, found) in enumerate(bins.items()):
        drawn.add_scatter(
            x=[one.predicted for one in found],
            y=[one.rate for one in found],
            error_y={"type": "data", "array": [one.standard_error for one in found], "thickness": 1},
            mode="lines+markers",
            name=escape_plotly(name),
            line={"color": COLOURS[number % len(COLOURS)], "width": 1.5},
            customdata=[one.rows for one in found],
            hovertemplate="predicted %{x:.4f}, observed %{y:.4f}<br>%{customdata:,} rows<extra></extra>",
        )
    drawn.update_xaxes(title="predicted probability", rangemode="tozero")
    drawn.update_yaxes(title="observed click rate", rangemode="tozero")
    return laid_out(drawn, "Predicted and observed click rates", height=400)
