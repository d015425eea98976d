"""Maps of fields × fields: the choice for every pair, its share among the best trials, and its gain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

import numpy as np
import plotly.graph_objects as go
from scipy.sparse import csr_array
from scipy.sparse.csgraph import reverse_cuthill_mckee

from autofi.plots.style import BOTH, FACTORIZE, MEMORIZE, NAIVE, RISING, escape_plotly, laid_out
from autofi.space.architecture import Architecture

#: The most fields of a map; those with the most pairs that are not naive are taken.
MAPPED_FIELDS = 60
Pair = tuple[str, str]
_CHOICES = ("naive", "factorize", "memorize", "memorize+factorize")
_COLOURS = (NAIVE, FACTORIZE, MEMORIZE, BOTH)


def plot_interaction_map(
    names: Sequence[str],
    architecture: Architecture,
    *,
    title: str,
    height: int = 450,
    more: Mapping[Pair, str] | None = None,
) -> go.Figure:
    """Return a map of the pairs that the architecture memorizes, factorizes or leaves naive.

    Hovering shows the form of a pair, and on the diagonal the forms of a field.

    Args:
        names: The fields in the order of the data.
        architecture: The architecture.
        title: The title.
        height: In pixels; optuna-dashboard cuts off everything above 450.
        more: A further text per pair, shown on hovering.
    """
    pairs = Counter(name for pair in architecture.pairs for name in pair)
    shown = _most(names, pairs)
    codes: dict[Pair, float] = {}
    texts: dict[Pair, str] = {}
    for pair in combinations(shown, 2):
        choice, form = architecture.choice(*pair)
        codes[pair] = _CHOICES.index(choice)
        texts[pair] = f"{choice}: {form}" if form else choice
        if more and pair in more:
            texts[pair] += f"<br>{more[pair]}"
    forms = {
        name: "field: " + (" + ".join(architecture.fields.get(name, ())) or "left out") for name in shown
    }
    steps = len(_CHOICES)
    heatmap = _heatmap(shown, codes, texts, forms)
    heatmap.update(
        zmin=-0.5,
        zmax=steps - 0.5,
        colorscale=[
            [(step + edge) / steps, colour] for step, colour in enumerate(_COLOURS) for edge in (0, 1)
        ],
        colorbar={
            "thickness": 14,
            "tickvals": list(range(steps)),
            "ticktext": [_told(choice) for choice in _CHOICES],
        },
    )
    return _mapped(heatmap, title, height, shown, names)


def plot_choice_shares(
    names: Sequence[str], architectures: Sequence[Architecture], *, title: str, height: int = 450
) -> go.Figure:
    """Return a map of the share of architectures in which a pair is not naive; hovering counts each choice."""
    counts: dict[Pair, Counter[str]] = {}
    for architecture in architectures:
        for left, right in architecture.pairs:
            found = counts.setdefault(_ordered(names, left, right), Counter())
            found[architecture.choice(left, right)[0]] += 1
    used = Counter(
        {name: sum(sum(found.values()) for pair, found in counts.items() if name in pair) for name in names}
    )
    shown, of = _most(names, used), len(architectures)
    shares: dict[Pair, float] = {}
    texts: dict[Pair, str] = {}
    for pair in combinations(shown, 2):
        found = counts.get(pair, Counter())
        shares[pair] = sum(found.values()) / of
        told = [f"{choice} in {number} of {of}" for choice, number in found.most_common()]
        texts[pair] = "<br>".join(told) or f"naive in all {of}"
    heatmap = _heatmap(shown, shares, texts, {})
    heatmap.update(zmin=0, zmax=1, colorscale=RISING, colorbar={"thickness": 14, "tickformat": ".0%"})
    return _mapped(heatmap, title, height, shown, names)


def plot_pair_values(
    names: Sequence[str],
    values: Mapping[Pair, float],
    texts: Mapping[Pair, str],
    *,
    title: str,
    height: int = 450,
) -> go.Figure:
    """Return a map of a number of at least 0 per pair, such as its gain; pairs are in the order of `names`."""
    shown = _most(names, Counter({name: sum(name in pair for pair in values) for name in names}))
    heatmap = _heatmap(shown, values, texts, {})
    heatmap.update(
        zmin=0, zmax=max(values.values(), default=1.0) or 1.0, colorscale=RISING, colorbar={"thickness": 14}
    )
    return _mapped(heatmap, title, height, shown, names)


def grouped(names: Sequence[str], pairs: Iterable[Pair]) -> tuple[str, ...]:
    """Return the fields so that those of a pair stand close together, and fields without a pair last.

    The order is that of the reverse Cuthill-McKee algorithm.
    """
    place = {name: number for number, name in enumerate(names)}
    known = [(place[left], place[right]) for left, right in pairs]
    rows, columns = [left for left, _ in known], [right for _, right in known]
    graph = csr_array((np.ones(len(known)), (rows, columns)), shape=(len(names), len(names)))
    order = [int(number) for number in reverse_cuthill_mckee(csr_array(graph + graph.T), symmetric_mode=True)]
    used = {number for pair in known for number in pair}
    return tuple(names[number] for number in sorted(order, key=lambda number: number not in used))


def _heatmap(
    shown: Sequence[str], cells: Mapping[Pair, float], texts: Mapping[Pair, str], diagonal: Mapping[str, str]
) -> go.Heatmap:
    """Return a heatmap with equal cells on both sides of the diagonal; pairs without a cell stay empty."""
    grid: list[list[float | None]] = [[None] * len(shown) for _ in shown]
    told = [[""] * len(shown) for _ in shown]
    for place, name in enumerate(shown):
        told[place][place] = diagonal.get(name, "")
    for left, right in combinations(range(len(shown)), 2):
        pair = shown[left], shown[right]
        for row, place in ((left, right), (right, left)):
            grid[row][place], told[row][place] = cells.get(pair), texts.get(pair, "")
    labels = [escape_plotly(name) for name in shown]
    return go.Heatmap(
        x=labels,
        y=labels,
        z=grid,
        text=told,
        hovertemplate="%{y} × %{x}<br>%{text}<extra></extra>",
        xgap=1,
        ygap=1,
    )


def _mapped(
    heatmap: go.Heatmap, title: str, height: int, shown: Sequence[str], names: Sequence[str]
) -> go.Figure:
    if len(shown) < len(names):
        title += f", the {len(shown)} of {len(names)} fields with most pairs"
    # Every field has its name beside its row, so wide maps have small names.
    axis = {
        "type": "category",
        "showgrid": False,
        "dtick": 1,
        "tickfont": {"size": max(6, min(12, int(0.75 * height / len(shown))))},
    }
    drawn = laid_out(go.Figure(heatmap), title, height=height)
    drawn.update_xaxes(**axis, tickangle=-90)
    drawn.update_yaxes(**axis, autorange="reversed")
    return drawn


def _ordered(names: Sequence[str], left: str, right: str) -> Pair:
    return (left, right) if names.index(left) < names.index(right) else (right, left)


def _most(names: Sequence[str], used: Mapping[str, int]) -> list[str]:
    """Return the most used fields, in the order of the data."""
    if len(names) <= MAPPED_FIELDS:
        return list(names)
    most = set(sorted(names, key=lambda name: -used.get(name, 0))[:MAPPED_FIELDS])
    return [name for name in names if name in most]


def _told(choice: str) -> str:
    return choice.replace("+", " +<br>")
