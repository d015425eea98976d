"""The ranking of held-out rows by models: ROC, precision over recall, cumulative gains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go

from autofi.metrics.threshold_curves import RankingCurve
from autofi.plots.style import COLOURS, OTHER, escape_plotly, laid_out

#: The most points of a curve.
POINTS = 200
_HEIGHT = 400
#: An axis of shares; it ends beyond 1, so that the last label has room on a phone.
_SHARES = {"tickformat": ".0%", "range": [0, 1.04], "tickvals": [0, 0.25, 0.5, 0.75, 1]}
_AT = "threshold %{customdata[0]:.4f}, %{customdata[1]:.2%} of rows flagged<extra></extra>"


def plot_roc_curve(curves: Mapping[str, RankingCurve], aucs: Mapping[str, float]) -> go.Figure:
    """Return true over false positive rates, a curve per model; by chance both are equal."""
    drawn = go.Figure()
    _chance(drawn, [0, 1], [0, 1])
    for number, (name, curve) in enumerate(curves.items()):
        found = curve.thinned(POINTS)
        _line(
            drawn,
            number,
            f"{name}, AUC {aucs[name]:.4f}",
            found,
            x=[0.0, *found.false_positives],
            y=[0.0, *found.recall],
            told="%{y:.1%} of the clicks, %{x:.1%} of the others<br>" + _AT,
            begins=True,
        )
    drawn.update_xaxes(title="share of other rows flagged", **_SHARES)
    drawn.update_yaxes(title="share of clicks flagged", **_SHARES)
    return laid_out(drawn, "ROC curve", height=_HEIGHT)


def plot_precision_recall_curve(curves: Mapping[str, RankingCurve]) -> go.Figure:
    """Return precision over recall, a curve per model; by chance precision is the click rate."""
    drawn = go.Figure()
    rate = next(iter(curves.values())).base_rate
    _chance(drawn, [0, 1], [rate, rate])
    for number, (name, curve) in enumerate(curves.items()):
        found = curve.thinned(POINTS)
        _line(
            drawn,
            number,
            f"{name}, AP {curve.average_precision:.4f}",
            found,
            x=found.recall,
            y=found.precision,
            told="precision %{y:.2%}, recall %{x:.1%}<br>" + _AT,
        )
    drawn.update_xaxes(title="recall: share of clicks flagged", **_SHARES)
    drawn.update_yaxes(title="precision: click rate of flagged rows", tickformat=".0%", rangemode="tozero")
    return laid_out(drawn, "Precision and recall", height=_HEIGHT)


def plot_cumulative_gains(curves: Mapping[str, RankingCurve]) -> go.Figure:
    """Return the share of the clicks over the share of the rows, highest scores first; hovering shows the lift."""
    drawn = go.Figure()
    rate = next(iter(curves.values())).base_rate
    _chance(drawn, [0, 1], [0, 1])
    drawn.add_scatter(
        x=[0, rate, 1],
        y=[0, 1, 1],
        mode="lines",
        line={"dash": "dash", "width": 1, "color": OTHER},
        name="perfect order",
        hoverinfo="skip",
    )
    for number, (name, curve) in enumerate(curves.items()):
        found = curve.thinned(POINTS)
        _line(
            drawn,
            number,
            name,
            found,
            x=[0.0, *found.flagged],
            y=[0.0, *found.recall],
            told="%{y:.1%} of the clicks, lift %{customdata[2]:.2f}<br>" + _AT,
            begins=True,
        )
    drawn.update_xaxes(title="share of rows flagged, best first", **_SHARES)
    drawn.update_yaxes(title="share of clicks among them", **_SHARES)
    return laid_out(drawn, "Cumulative gains and lift", height=_HEIGHT)


def _chance(drawn: go.Figure, x: list[float], y: list[float]) -> None:
    drawn.add_scatter(
        x=x,
        y=y,
        mode="lines",
        line={"dash": "dot", "width": 1, "color": OTHER},
        name="by chance",
        hoverinfo="skip",
    )


def _line(
    drawn: go.Figure,
    number: int,
    name: str,
    found: RankingCurve,
    *,
    x: Any,
    y: Any,
    told: str,
    begins: bool = False,
) -> None:
    """Add a curve; with `begins` it has a point before the first threshold, where nothing is flagged."""
    rows = np.stack([found.thresholds, found.flagged, found.lift], axis=1)
    if begins:
        rows = np.vstack([[float(found.thresholds[0]), 0.0, float(found.lift[0])], rows])
    drawn.add_scatter(
        x=_rounded(x),
        y=_rounded(y),
        mode="lines",
        name=escape_plotly(name),
        line={"color": COLOURS[number % len(COLOURS)], "width": 1.5},
        customdata=[_rounded(row) for row in rows],
        hovertemplate=told,
    )


def _rounded(values: Any) -> list[float]:
    """Return the values with six digits; figures show fewer, and a page holds thousands of values."""
    return [float(f"{value:.6g}") for value in values]
