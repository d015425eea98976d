"""An architecture as a drawn graph: fields, pairs, streams, the head, and the probability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import plotly.graph_objects as go

from autofi.plots.style import (
    BEST,
    BOTH,
    COLOURS,
    FACTORIZE,
    MEMORIZE,
    OTHER,
    ellipsize,
    escape_plotly,
    laid_out,
)
from autofi.space.architecture import Architecture
from autofi.text.architecture import told

#: The most boxes of one column; all further parts share the last one.
MOST = 14
_PAIRS = {"memorize": MEMORIZE, "factorize": FACTORIZE, "memorize+factorize": BOTH}


#: A box by the number of its column and its row.
Place = tuple[int, int]


@dataclass
class _Box:
    """A box of the graph, and the boxes that it reads."""

    text: str
    colour: str
    told: str
    reads: list[Place] = field(default_factory=list)


def plot_architecture(names: Sequence[str], architecture: Architecture) -> go.Figure:
    """Return the graph with columns from left to right: fields with forms, pairs, head and streams, probability.

    Of many fields or pairs the first are drawn, and one box gives the number of the others.
    """
    read = dict.fromkeys(names, ()) if architecture.trees_alone else architecture.fields
    fields = [name for name in names if name in read] or list(read)
    row_of = {name: min(row, MOST - 1) for row, name in enumerate(fields)}
    columns = [_folded([_Box(ellipsize(name), OTHER, " + ".join(read[name])) for name in fields], "fields")]
    pairs = []
    for left, right in architecture.pairs:
        choice, form = architecture.choice(left, right)
        reads = sorted({(0, row_of[name]) for name in (left, right) if name in row_of})
        text = f"{ellipsize(left, 12)} × {ellipsize(right, 12)}"
        pairs.append(_Box(text, _PAIRS[choice], f"{choice}: {form}", reads))
    if pairs:
        columns.append(_folded(pairs, "pairs"))
    of_fields = _places(columns, 0)
    of_all = of_fields + (_places(columns, 1) if pairs else [])
    columns.append(_readers(architecture, of_fields, of_all))
    columns.append([_Box("probability", BEST, "of a click", _places(columns, len(columns) - 1))])
    return _drawn(columns)


def _readers(architecture: Architecture, of_fields: list[Place], of_all: list[Place]) -> list[_Box]:
    """Return the boxes that give a logit: the head over fields and pairs, streams and trees over fields."""
    head = architecture.head
    layers = "-".join(map(str, head.hidden))
    ensemble = f", an ensemble of {head.ensemble}" if head.ensemble > 1 else ""
    name = f"{head.name} {layers}".strip()
    streams = [
        _Box(ellipsize(line.split(",")[0]), COLOURS[5], line, of_fields)
        for line in told(architecture.chosen_streams())
    ]
    beside = "trees predict alone" if architecture.trees_alone else "trees predict beside the network"
    trees = _Box("boosted trees", COLOURS[3], beside, of_fields)
    found = [_Box(name, COLOURS[2], f"head: {name}{ensemble}", of_all), *streams]
    if architecture.trees_alone:
        return [trees]
    return [*found, trees] if architecture.boosting else found


def _places(columns: list[list[_Box]], column: int) -> list[Place]:
    return [(column, row) for row in range(len(columns[column]))]


def _folded(boxes: list[_Box], what: str) -> list[_Box]:
    if len(boxes) <= MOST:
        return boxes
    rest = boxes[MOST - 1 :]
    reads = sorted({place for box in rest for place in box.reads})
    return [*boxes[: MOST - 1], _Box(f"{len(rest)} more {what}", rest[0].colour, "", reads)]


def _drawn(columns: list[list[_Box]]) -> go.Figure:
    places = [
        [(float(number), (len(column) - 1) / 2 - row) for row in range(len(column))]
        for number, column in enumerate(columns)
    ]
    drawn = go.Figure()
    for number in range(1, len(columns)):
        for near in (True, False):
            # Lines past a column are fainter than those from the column before.
            xs: list[float | None] = []
            ys: list[float | None] = []
            for box, (x, y) in zip(columns[number], places[number], strict=True):
                for column, row in box.reads:
                    if (column == number - 1) is near:
                        from_x, from_y = places[column][row]
                        xs += [from_x, x, None]
                        ys += [from_y, y, None]
            drawn.add_scatter(
                x=xs,
                y=ys,
                mode="lines",
                line={"color": OTHER, "width": 0.8},
                opacity=0.5 if near else 0.2,
                hoverinfo="skip",
            )
    for boxes, at in zip(columns, places, strict=True):
        drawn.add_scatter(
            x=[x for x, _ in at],
            y=[y for _, y in at],
            mode="markers+text",
            marker={"size": 15, "symbol": "square", "color": [box.colour for box in boxes]},
            text=[escape_plotly(box.text) for box in boxes],
            textposition="top center",
            textfont={"size": 11},
            customdata=[[escape_plotly(box.told)] for box in boxes],
            hovertemplate="%{text}<br>%{customdata[0]}<extra></extra>",
        )
    rows = max(map(len, columns))
    drawn.update_xaxes(visible=False, range=[-0.5, len(columns) - 0.5])
    drawn.update_yaxes(visible=False, range=[-rows / 2 - 0.3, rows / 2 + 0.5])
    return laid_out(
        drawn, "From fields to the probability", height=max(240, 90 + 44 * rows), showlegend=False
    )
