"""Scores by inherited weights against scores of training from scratch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from autofi.plots.style import MAIN, escape_plotly, laid_out

#: A rank correlation of fewer architectures says nothing.
FEWEST_SCORED = 3


@dataclass(frozen=True)
class TwiceScored:
    """One architecture with its logloss by inherited weights and the logloss of its trial."""

    trial: int
    inherited: float
    alone: float
    described: str


def rank_correlation(scored: Sequence[TwiceScored]) -> float | None:
    """Return Spearman's rank correlation; None below three architectures or where one side is constant."""
    sides = [[one.inherited for one in scored], [one.alone for one in scored]]
    if len(scored) < FEWEST_SCORED or any(len(set(side)) < 2 for side in sides):
        return None
    # Slow to import, and most reports have nothing to correlate.
    from scipy.stats import spearmanr

    return float(spearmanr(*sides).statistic)


def plot_inherited_vs_scratch(scored: Sequence[TwiceScored]) -> go.Figure:
    """Return the validation logloss of trials against that of the same choices by inherited weights."""
    drawn = go.Figure(
        go.Scatter(
            x=[one.inherited for one in scored],
            y=[one.alone for one in scored],
            mode="markers",
            marker={"size": 8, "color": MAIN, "opacity": 0.8},
            text=[f"trial {one.trial}: {escape_plotly(one.described)}" for one in scored],
            hovertemplate="%{text}<br>inherited %{x:.5f}<br>alone %{y:.5f}<extra></extra>",
        )
    )
    drawn.update_xaxes(title="logloss by inherited weights", zeroline=False)
    drawn.update_yaxes(title="logloss trained alone", zeroline=False)
    correlation = rank_correlation(scored)
    told = "" if correlation is None else f", rank correlation {correlation:.2f}"
    return laid_out(drawn, f"Inherited and stand-alone scores{told}", height=360)
