"""The exploration before the trials: whole architectures scored by inherited weights, in their order."""

from __future__ import annotations

from itertools import accumulate

import plotly.graph_objects as go

from autofi.plots.style import BEST, MAIN, OTHER, add_best_so_far, laid_out
from autofi.supernet.exploration import Exploration


def plot_exploration(exploration: Exploration) -> go.Figure:
    """Return the logloss of every architecture on the rows that guide the exploration, and the best so far.

    Architectures that surely gain on other rows, which guided nothing, have a mark of their own.
    """
    drawn = go.Figure()
    scored = list(enumerate(exploration.scored))
    for name, colour, size, own in (
        ("explored", OTHER, 4, [(place, one) for place, one in scored if place and not one.is_significant]),
        ("sure to gain", MAIN, 9, [(place, one) for place, one in scored if place and one.is_significant]),
        ("as selected", BEST, 9, scored[:1]),
    ):
        drawn.add_scatter(
            x=[place for place, _ in own],
            y=[one.guide_logloss for _, one in own],
            mode="markers",
            name=name,
            marker={"size": size, "color": colour, "opacity": 0.8},
            text=["" if one.gain is None else _gained(one.gain, one.standard_error) for _, one in own],
            hovertemplate="architecture %{x}: %{y:.5f}%{text}<extra></extra>",
            visible=True if own else "legendonly",
        )
    best = list(accumulate((one.guide_logloss for _, one in scored), min))
    steps = [
        place for place in range(len(best)) if place in (0, len(best) - 1) or best[place] < best[place - 1]
    ]
    add_best_so_far(drawn, steps, [best[place] for place in steps])
    drawn.update_xaxes(title="architecture, in the order it was scored", zeroline=False, tickformat=",d")
    # A few architectures that leave nearly everything out are far worse: the worst tenth is out of view at first.
    worst = sorted(one.guide_logloss for _, one in scored)[: max(1, len(scored) * 9 // 10)][-1]
    margin = 0.05 * (worst - best[-1]) or 1e-4
    drawn.update_yaxes(
        title="logloss by inherited weights", zeroline=False, range=[best[-1] - margin, worst + margin]
    )
    return laid_out(drawn, "Explored by inherited weights, before the first trial", height=360)


def _gained(gain: float, standard_error: float | None) -> str:
    return f"<br>on other rows {gain:+.5f} ± {standard_error or 0.0:.5f} better than as selected"
