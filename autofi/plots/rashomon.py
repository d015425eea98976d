"""Figures of a Rashomon set, for pages of any colour: swarms and clouds of scores, halos of pairs and triples."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from autofi.errors import StoreError, nearest
from autofi.importance.interaction_scores import Cloud, Estimate, Names, ScoredModel
from autofi.plots.style import COLOURS, escape_plotly, frame, interval_bars
from autofi.rashomon.halo import Halo, HaloPoint
from autofi.rashomon.result import RashomonSet

#: The most rows of a swarm or a cloud.
SHOWN_GROUPS = 20
BLUE, ORANGE, *_ = COLOURS
GREY = "#8a8f98"
FAINT = "rgba(138, 143, 152, 0.25)"
CLEAR = "rgba(0, 0, 0, 0)"
LOSSES = ((0, BLUE), (0.5, "#9aa0a6"), (1, "#e5c100"))
CIRCLE_POINTS = 181
_GOLDEN = (math.sqrt(5) - 1) / 2


def plot_rashomon_swarm(found: RashomonSet, *, order: int = 2, most: int = SHOWN_GROUPS) -> go.Figure:
    """Return a row per pair with a dot per model at its score, coloured by its logloss.

    A star is the reference model, around which masked ones were explored.

    Args:
        found: The set.
        order: 1 for fields, 2 for pairs, 3 for triples.
        most: The most rows.
    """
    shown = _clouds(found, order)[:most]
    rows = {cloud.names: row for row, cloud in enumerate(shown)}
    scores = [
        (rows[names], model, value)
        for model in found.models
        for names, value in _scores(model, order)
        if names in rows
    ]
    losses = [model.loss.mean for _, model, _ in scores]
    dots = go.Scatter(
        x=[value.mean for _, _, value in scores],
        y=[row + 0.6 * ((number * _GOLDEN) % 1 - 0.5) for number, (row, _, _) in enumerate(scores)],
        mode="markers",
        name="models",
        marker={
            "color": losses,
            "colorscale": LOSSES,
            "size": 6,
            "opacity": 0.8,
            "colorbar": {"title": {"text": "logloss"}, "thickness": 12, "nticks": 4},
        },
        text=[escape_plotly(model.name) for _, model, _ in scores],
        customdata=losses,
        hovertemplate="%{text}<br>score %{x:.5f}, logloss %{customdata:.5f}<extra></extra>",
        showlegend=False,
    )
    return _rows(
        [dots, _references(found, shown)],
        shown,
        title=f"{_kind(order)} of {len(found.models)} models",
        order=order,
    )


def plot_rashomon_cloud(found: RashomonSet, *, order: int = 2, most: int = SHOWN_GROUPS) -> go.Figure:
    """Return a row per pair with the range of its scores over all models.

    A star is the reference model, with its interval. The arguments are those of `swarm`.
    """
    shown = _clouds(found, order)[:most]
    bars = go.Bar(
        x=[cloud.high - cloud.low for cloud in shown],
        base=[cloud.low for cloud in shown],
        y=list(range(len(shown))),
        orientation="h",
        width=0.5,
        marker={"color": BLUE, "opacity": 0.6},
        customdata=[[cloud.low, cloud.high, cloud.models] for cloud in shown],
        hovertemplate="%{customdata[0]:.5f} to %{customdata[1]:.5f}, %{customdata[2]} models<extra></extra>",
        showlegend=False,
    )
    return _rows(
        [bars, _references(found, shown)],
        shown,
        title=f"{_kind(order)}, least to largest",
        order=order,
    )


def plot_halo(found: RashomonSet, pair: Sequence[str]) -> go.Figure:
    """Return the halo of a pair: points off a circle as far as the two fields interact.

    The circle is the budget. Right of the middle the first field's factor is above 1, and above the middle the
    second's. The band is the place of pairs that do not interact. The published radius, the loss itself, can be
    shown by the legend.

    Raises:
        StoreError: The pair has no halo.
    """
    drawn = _halo(found, pair, 2)
    points = sorted(drawn.points, key=_angle)
    circle = np.linspace(0, 2 * math.pi, CIRCLE_POINTS)
    traces = [
        _line("budget", [_at(angle, drawn.budget) for angle in circle], GREY),
        *_band(points, drawn.budget, found),
        _whiskers(points, drawn.budget),
        _marks(
            "interaction",
            points,
            [drawn.budget + point.interaction.mean for point in points],
            ORANGE,
            "circle",
        ),
        _marks("loss, as published", points, [point.loss.mean for point in points], BLUE, "circle-open"),
    ]
    traces[-1].visible = "legendonly"
    figure = go.Figure(traces)
    left, right = (escape_plotly(name) for name in drawn.names)
    figure.update_layout(
        **_layout(f"Halo of {left} × {right}"),
        height=520,
        xaxis=_axis(f"{left}: fainter ← logloss → stronger"),
        yaxis={**_axis(f"{right}: fainter ← logloss → stronger"), "scaleanchor": "x", "scaleratio": 1},
    )
    return figure


def plot_halo_of_three(found: RashomonSet, triple: Sequence[str]) -> go.Figure:
    """Return the halo of a triple: points off a sphere of the budget, coloured by their distance in budgets.

    Raises:
        StoreError: The triple has no halo.
    """
    drawn = _halo(found, triple, 3)
    places = []
    for point in drawn.points:
        length = math.sqrt(sum(share**2 for share in point.direction))
        radius = drawn.budget + point.interaction.mean
        places.append([radius * share / length for share in point.direction])
    apart = [point.interaction.mean / drawn.budget for point in drawn.points]
    most = max(map(abs, apart)) or 1.0
    # WebGL does not know HTML entities, and it drops text that looks like a tag.
    names = [name.replace("<", "‹").replace(">", "›") for name in drawn.names]
    dots = go.Scatter3d(
        x=[place[0] for place in places],
        y=[place[1] for place in places],
        z=[place[2] for place in places],
        mode="markers",
        name="interaction",
        marker={
            "size": 4,
            "color": apart,
            "colorscale": [[0, BLUE], [0.5, GREY], [1, ORANGE]],
            "cmin": -most,
            "cmax": most,
            "colorbar": {"title": {"text": "interaction<br>in budgets"}},
        },
        text=[_factors(drawn.names, point) for point in drawn.points],
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )
    figure = go.Figure([dots, *_sphere(drawn.budget)])
    axes = {
        f"{axis}axis": {
            "title": {"text": name},
            "showbackground": False,
            "gridcolor": FAINT,
            "zerolinecolor": GREY,
        }
        for axis, name in zip("xyz", names, strict=True)
    }
    figure.update_layout(
        **_layout("Halo of " + " × ".join(map(escape_plotly, drawn.names))),
        height=560,
        scene={**axes, "aspectmode": "data", "bgcolor": CLEAR},
    )
    return figure


def _clouds(found: RashomonSet, order: int) -> tuple[Cloud, ...]:
    return {1: found.fields, 2: found.pairs, 3: found.triples}[order]


def _scores(model: ScoredModel, order: int) -> list[tuple[Names, Estimate]]:
    scores = {(name,): value for name, value in model.phi.items()} if order == 1 else model.fis
    return list(scores.items())


def _kind(order: int) -> str:
    return {1: "Main effects", 2: "Scores of pairs", 3: "Scores of triples"}[order]


def _references(found: RashomonSet, shown: Sequence[Cloud]) -> go.Scatter:
    return go.Scatter(
        x=[cloud.reference.mean for cloud in shown],
        y=list(range(len(shown))),
        error_x=interval_bars(
            ((cloud.reference.low, cloud.reference.mean, cloud.reference.high) for cloud in shown),
            color=ORANGE,
            thickness=1,
        ),
        mode="markers",
        name=escape_plotly(found.reference.name),
        marker={"symbol": "star", "size": 11, "color": ORANGE},
        hovertemplate="%{x:.5f}<extra>" + escape_plotly(found.reference.name) + "</extra>",
    )


def _rows(traces: Sequence[go.Figure], shown: Sequence[Cloud], *, title: str, order: int) -> go.Figure:
    figure = go.Figure(list(traces))
    labels = [" × ".join(map(escape_plotly, cloud.names)) for cloud in shown]
    figure.update_layout(
        **_layout(title),
        height=170 + 24 * max(len(shown), 3),
        xaxis=_axis("reliance" if order == 1 else "interaction score"),
        yaxis={
            **_axis(""),
            "tickmode": "array",
            "tickvals": list(range(len(shown))),
            "ticktext": labels,
            "range": [len(shown) - 0.5, -0.5],
            "zeroline": False,
        },
    )
    return figure


def _layout(title: str) -> dict[str, object]:
    return {**frame(title), "paper_bgcolor": CLEAR, "plot_bgcolor": CLEAR}


def _axis(title: str) -> dict[str, object]:
    return {
        "title": {"text": title},
        "automargin": True,
        "gridcolor": FAINT,
        "zerolinecolor": GREY,
        "showline": False,
    }


def _halo(found: RashomonSet, names: Sequence[str], order: int) -> Halo:
    drawn = found.halo(*names) if len(names) == order else None
    if drawn is None:
        known = [" × ".join(halo.names) for halo in found.halos if len(halo.names) == order]
        raise StoreError(f"There is no halo of {' × '.join(names)}; {nearest(' × '.join(names), known)}")
    return drawn


def _angle(point: HaloPoint) -> float:
    first, second = point.direction
    return math.atan2(second, first)


def _at(angle: float, radius: float) -> tuple[float, float]:
    return float(radius * math.cos(angle)), float(radius * math.sin(angle))


def _line(name: str, places: Sequence[tuple[float, float]], colour: str) -> go.Scatter:
    return go.Scatter(
        x=[place[0] for place in places],
        y=[place[1] for place in places],
        mode="lines",
        name=name,
        line={"color": colour, "width": 1.5},
        hoverinfo="skip",
    )


def _band(points: Sequence[HaloPoint], budget: float, found: RashomonSet) -> list[go.Scatter]:
    """Return the band around the circle as one closed strip; nothing where a direction has no width."""
    if any(point.direction not in found.bands for point in points):
        return []
    known = [_angle(point) for point in points]
    widths = [found.bands[point.direction] for point in points]
    angles = np.linspace(0, 2 * math.pi, CIRCLE_POINTS)
    around = list(zip(angles, np.interp(angles, known, widths, period=2 * math.pi), strict=True))
    outer = [_at(angle, budget + width) for angle, width in around]
    inner = [_at(angle, max(0.0, budget - width)) for angle, width in around]
    strip = _line("pairs that do not interact", [*outer, *reversed(inner)], CLEAR)
    strip.fill, strip.fillcolor = "toself", FAINT
    return [strip]


def _whiskers(points: Sequence[HaloPoint], budget: float) -> go.Scatter:
    """Return the interval of every point, along its ray."""
    xs: list[float | None] = []
    ys: list[float | None] = []
    for point in points:
        ends = [
            _at(_angle(point), max(0.0, budget + end))
            for end in (point.interaction.low, point.interaction.high)
        ]
        xs += [ends[0][0], ends[1][0], None]
        ys += [ends[0][1], ends[1][1], None]
    return go.Scatter(
        x=xs, y=ys, mode="lines", line={"color": ORANGE, "width": 1}, hoverinfo="skip", showlegend=False
    )


def _marks(
    name: str, points: Sequence[HaloPoint], radii: Sequence[float], colour: str, symbol: str
) -> go.Scatter:
    places = [_at(_angle(point), max(0.0, radius)) for point, radius in zip(points, radii, strict=True)]
    return go.Scatter(
        x=[place[0] for place in places],
        y=[place[1] for place in places],
        mode="markers",
        name=name,
        marker={"color": colour, "symbol": symbol, "size": 8},
        text=["factors " + " and ".join(f"{factor:.2f}" for factor in point.factors) for point in points],
        customdata=list(radii),
        hovertemplate="%{text}<br>radius %{customdata:.5f}<extra></extra>",
    )


def _factors(names: Names, point: HaloPoint) -> str:
    told = ", ".join(
        f"{escape_plotly(name)} × {factor:.2f}" for name, factor in zip(names, point.factors, strict=True)
    )
    return f"{told}<br>interaction {point.interaction.mean:.5f}"


def _sphere(radius: float) -> list[go.Scatter3d]:
    """Return a sphere as three great circles."""
    angles = [2 * math.pi * step / 60 for step in range(61)]
    found = []
    for zero in range(3):
        columns: list[list[float]] = [[], [], []]
        for angle in angles:
            pair = iter(_at(angle, radius))
            for column, values in enumerate(columns):
                values.append(0.0 if column == zero else next(pair))
        found.append(
            go.Scatter3d(
                x=columns[0],
                y=columns[1],
                z=columns[2],
                mode="lines",
                line={"color": GREY, "width": 2},
                hoverinfo="skip",
                showlegend=False,
            )
        )
    return found
