"""The ensemble, the winner and the baselines, each with its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from autofi.plots.style import MAIN, OTHER, escape_plotly, interval_bars, laid_out


def plot_model_comparison(
    winner: Mapping[str, Any] | None,
    baselines: Sequence[Mapping[str, Any]],
    *,
    ensemble: Mapping[str, Any] | None = None,
) -> go.Figure:
    """Return the test AUC of every model, best on top; the arguments are entries of `Study.summary()`."""
    models = [(model, MAIN) for model in (ensemble, winner) if model]
    models += [(model, OTHER) for model in baselines]
    measured = [
        (model, colour) for model, colour in models if (model.get("test") or {}).get("auc") is not None
    ]
    measured.sort(key=lambda found: found[0]["test"]["auc"])
    values = [model["test"]["auc"] for model, _ in measured]
    intervals = [
        model["test"].get("auc_interval") or (value, value)
        for (model, _), value in zip(measured, values, strict=True)
    ]
    names = [escape_plotly(model["name"]) for model, _ in measured]
    drawn = go.Figure(
        go.Scatter(
            x=values,
            y=names,
            mode="markers",
            marker={"size": 11, "color": [colour for _, colour in measured]},
            error_x=interval_bars(
                (low, value, high) for (low, high), value in zip(intervals, values, strict=True)
            ),
            customdata=[
                [f"{low:.4f} to {high:.4f}", _trained(model)]
                for (low, high), (model, _) in zip(intervals, measured, strict=True)
            ],
            hovertemplate="%{y}: %{x:.4f}<br>95 %: %{customdata[0]}<br>%{customdata[1]}<extra></extra>",
            showlegend=False,
        )
    )
    drawn.update_xaxes(title="test AUC", zeroline=False)
    drawn.update_yaxes(type="category")
    return laid_out(drawn, "Test AUC with its 95 % interval", height=120 + 32 * len(measured))


def _trained(model: Mapping[str, Any]) -> str:
    """Return how many trainings a model stands for."""
    if "members" in model:
        return f"{len(model['members'])} networks"
    return f"{model['seeds']} seed{'' if model['seeds'] == 1 else 's'}"
