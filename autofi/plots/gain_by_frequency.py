"""The gain of the winner for rare and for frequent values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from autofi.plots.style import MAIN, OTHER, escape_plotly, interval_bars, laid_out
from autofi.records.gain_by_frequency import BucketGain

#: Buckets with fewer rows do not count for the scale of colours.
SCALING_ROWS = 100


def plot_gain_by_frequency(buckets: Sequence[BucketGain], *, rival: str) -> go.Figure:
    """Return the AUC that the winner gains on the other model, by a row's rarest value, with 95 % intervals.

    Buckets with too few rows of a class are left out.
    """
    found = [(bucket, bucket.auc) for bucket in buckets if bucket.auc is not None]
    drawn = go.Figure(
        go.Scatter(
            x=[bucket.label for bucket, _ in found],
            y=[gain.difference for _, gain in found],
            error_y=interval_bars((gain.low, gain.difference, gain.high) for _, gain in found),
            mode="markers",
            marker={"size": 10, "color": MAIN},
            customdata=[[bucket.rows, gain.a, gain.b] for bucket, gain in found],
            hovertemplate="%{x}: %{y:+.4f}<br>winner %{customdata[1]:.4f}, "
            + escape_plotly(rival)
            + " %{customdata[2]:.4f}<br>%{customdata[0]:,} rows<extra></extra>",
        )
    )
    drawn.add_hline(y=0, line={"dash": "dot", "width": 1, "color": OTHER})
    drawn.update_xaxes(title="training rows with the rarest value of a row", type="category")
    drawn.update_yaxes(title="AUC gained", zeroline=False)
    return laid_out(drawn, f"AUC gained on {rival} by frequency", height=340)


def plot_gain_by_field(gains: Mapping[str, Sequence[BucketGain]]) -> go.Figure:
    """Return the logloss that the winner saves, for every field by the frequency of its value."""
    labels: dict[str, int] = {}
    for buckets in gains.values():
        for bucket in buckets:
            labels.setdefault(bucket.label, bucket.low)
    columns = sorted(labels, key=lambda label: labels[label])
    cells: list[list[float | None]] = []
    texts: list[list[str]] = []
    for buckets in gains.values():
        known = {bucket.label: bucket for bucket in buckets}
        cells.append([-known[label].logloss.difference if label in known else None for label in columns])
        texts.append([_told(known[label]) if label in known else "" for label in columns])
    # The logloss saved on few rows is mostly chance, so it does not set the scale.
    told = [bucket for buckets in gains.values() for bucket in buckets if bucket.rows >= SCALING_ROWS]
    most = max((abs(bucket.logloss.difference) for bucket in told), default=1.0) or 1.0
    drawn = go.Figure(
        go.Heatmap(
            x=columns,
            y=[escape_plotly(name) for name in gains],
            z=cells,
            text=texts,
            hovertemplate="%{y}, %{x}<br>%{text}<extra></extra>",
            zmin=-most,
            zmax=most,
            colorscale=[[0.0, "#e45756"], [0.5, "rgba(150,160,172,0.15)"], [1.0, "#4c78a8"]],
            colorbar={"thickness": 14, "tickformat": ".2g"},
            xgap=1,
            ygap=1,
        )
    )
    drawn.update_xaxes(
        title="training rows with the value of the field", type="category", showgrid=False, tickangle=-90
    )
    drawn.update_yaxes(type="category", autorange="reversed", showgrid=False, dtick=1)
    return laid_out(drawn, "Logloss saved, by field and frequency", height=130 + 22 * len(gains))


def _told(bucket: BucketGain) -> str:
    gain = bucket.logloss
    return f"{-gain.difference:+.5f} ({-gain.high:+.5f} to {-gain.low:+.5f})<br>{bucket.rows:,} rows"
