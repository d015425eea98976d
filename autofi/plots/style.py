"""The common style of all figures: colours, margins, and escaped names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import plotly.graph_objects as go

# Colour-blind readers can tell these colours apart, also on a dark page.
NAIVE, FACTORIZE, MEMORIZE, BOTH = "rgba(150,160,172,0.25)", "#4c78a8", "#f58518", "#54278f"
MAIN, OTHER, BEST = "#4c78a8", "#9aa5b1", "#e45756"
#: The colours of several models or stages, in their order.
COLOURS = ("#4c78a8", "#f58518", "#54a24b", "#b279a2", "#e45756", "#72b7b2", "#9d755d", "#eeca3b")
#: The scale of a share, from nothing to all, visible on light and dark pages.
RISING = [[0.0, "rgba(76,120,168,0.06)"], [1.0, "#4c78a8"]]


def escape_plotly(text: object) -> str:
    """Return text without HTML, of which Plotly reads a few tags."""
    return str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def ellipsize(text: str, most: int = 24) -> str:
    """Return a name cut to fit on an axis."""
    return text if len(text) <= most else text[: most - 1] + "…"


def frame(title: str) -> dict[str, object]:
    """Return the layout that all figures share: a title (markup), small margins, and a legend at the bottom."""
    return {
        "title": {"text": title, "font": {"size": 15}, "x": 0, "xanchor": "left", "xref": "container"},
        "template": "none",
        "margin": {"l": 10, "r": 10, "t": 46, "b": 10},
        "legend": {"orientation": "h", "yref": "container", "yanchor": "bottom", "y": 0, "x": 0},
    }


def add_best_so_far(figure: go.Figure, x: Sequence[float], y: Sequence[float]) -> None:
    """Add a line in steps, each from the point where a value became the best to the next one."""
    figure.add_scatter(
        x=x,
        y=y,
        mode="lines",
        name="best so far",
        line={"shape": "hv", "color": BEST, "width": 2},
        hoverinfo="skip",
    )


def interval_bars(
    points: Iterable[tuple[float, float, float]], *, color: str = OTHER, thickness: float = 1.5
) -> dict[str, object]:
    """Return Plotly's error bars of points, each as the lower end of its interval, the point and the upper end."""
    found = list(points)
    return {
        "type": "data",
        "symmetric": False,
        "array": [high - point for _, point, high in found],
        "arrayminus": [point - low for low, point, _ in found],
        "color": color,
        "thickness": thickness,
    }


def laid_out(figure: go.Figure, title: str, *, height: int = 360, **layout: object) -> go.Figure:
    """Return the figure with a title, a height in pixels, and a legend below it where it has one."""
    figure.update_layout(**frame(escape_plotly(title)), height=height, hoverlabel={"align": "left"})
    figure.update_xaxes(automargin=True, title_standoff=12)
    figure.update_yaxes(automargin=True)
    return figure.update_layout(**layout)
