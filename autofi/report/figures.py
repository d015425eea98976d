"""Figures of a study, for optuna-dashboard and for pages: Plotly's, small enough to be kept in a database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations

import plotly.graph_objects as go

from autofi.report.markdown import count, figure
from autofi.space.architecture import Architecture
from autofi.store import TrialRecord

#: Fields of a map; of more, those with most pairs that are not naive.
MAPPED_FIELDS = 60
#: Trials of a table.
LISTED_TRIALS = 20

_CHOICES = ("naive", "factorize", "memorize", "memorize+factorize")
# Apart for colour-blind eyes, and on a dark page as well.
_COLOURS = ("#dfe3e8", "#4c78a8", "#f58518", "#54278f")


def interaction_map(
    names: Sequence[str], architecture: Architecture, *, title: str, height: int = 450
) -> go.Figure:
    """Fields × fields: which pairs the architecture memorizes, factorizes or leaves naive.

    `names` in the order of the data; hovering tells the form of a pair, and on the diagonal those of a field.
    `height` is in pixels; optuna-dashboard cuts off what is higher than 450.
    """
    shown = _most_used(names, architecture)
    cells: list[list[int | None]] = [[None] * len(shown) for _ in shown]
    texts = [[""] * len(shown) for _ in shown]
    for row, name in enumerate(shown):
        texts[row][row] = "field: " + (" + ".join(architecture.fields.get(name, ())) or "left out")
    for left, right in combinations(range(len(shown)), 2):
        choice, form = architecture.choice(shown[left], shown[right])
        for row, place in ((left, right), (right, left)):
            cells[row][place] = _CHOICES.index(choice)
            texts[row][place] = f"{choice}: {form}" if form else choice
    steps = len(_CHOICES)
    labels = [plain(name) for name in shown]
    heatmap = go.Heatmap(
        x=labels,
        y=labels,
        z=cells,
        text=texts,
        hovertemplate="%{y} × %{x}<br>%{text}<extra></extra>",
        zmin=-0.5,
        zmax=steps - 0.5,
        colorscale=[
            [(step + edge) / steps, colour] for step, colour in enumerate(_COLOURS) for edge in (0, 1)
        ],
        colorbar={"tickvals": list(range(steps)), "ticktext": [_told(choice) for choice in _CHOICES]},
        xgap=1,
        ygap=1,
    )
    if len(shown) < len(names):
        title += f", the {len(shown)} of {len(names)} fields with most pairs"
    # Every field has its name beside its row, so wide maps have small names.
    axis = {
        "type": "category",
        "automargin": True,
        "showgrid": False,
        "dtick": 1,
        "tickfont": {"size": max(6, min(12, int(0.75 * height / len(shown))))},
    }
    drawn = go.Figure(heatmap)
    drawn.update_layout(
        title=plain(title),
        template="none",
        height=height,
        margin={"l": 20, "r": 20, "t": 40, "b": 20},
        xaxis={**axis, "tickangle": -90},
        yaxis={**axis, "autorange": "reversed"},
    )
    return drawn


def trial_table(
    trials: Iterable[TrialRecord],
    *,
    objective: str,
    maximize: bool,
) -> go.Figure:
    """The measured trials, feasible ones first and best first among each; `objective` names their value."""
    ranked = rank(trials, maximize=maximize)[:LISTED_TRIALS]
    columns: dict[str, list[str]] = {
        "trial": [str(trial.number) for trial in ranked],
        "feasible": ["yes" if trial.feasible else "no" for trial in ranked],
        plain(objective): [figure(trial.value, 5) for trial in ranked],
        "valid logloss": [figure((trial.valid or {}).get("logloss"), 5) for trial in ranked],
        "parameters": [count(trial.parameters) for trial in ranked],
        "table bytes": [count(trial.table_bytes) for trial in ranked],
        "seconds": [figure(trial.seconds, 1) for trial in ranked],
        "architecture": [plain(trial.attrs.get("describe", trial.architecture_id)) for trial in ranked],
    }
    drawn = go.Figure(
        go.Table(
            header={"values": list(columns), "align": "left"},
            cells={"values": list(columns.values()), "align": "left"},
            columnwidth=[45, 65, 65, 65, 90, 75, 70, 230],
        )
    )
    drawn.update_layout(
        title="Measured trials, feasible ones first",
        template="none",
        font={"size": 11},
        margin={"l": 20, "r": 20, "t": 60, "b": 20},
    )
    return drawn


def rank(trials: Iterable[TrialRecord], *, maximize: bool) -> list[TrialRecord]:
    """The trials with a value: feasible ones first, best first, earlier ones first where equal."""
    sign = -1.0 if maximize else 1.0
    measured = ((not trial.feasible, trial.value, trial) for trial in trials)
    ranked = sorted(
        (broken, sign * value, trial.number, trial) for broken, value, trial in measured if value is not None
    )
    return [trial for *_, trial in ranked]


def _most_used(names: Sequence[str], architecture: Architecture) -> list[str]:
    if len(names) <= MAPPED_FIELDS:
        return list(names)
    pairs = Counter(name for pair in architecture.pairs for name in pair)
    most = sorted(names, key=lambda name: -pairs[name])[:MAPPED_FIELDS]
    return [name for name in names if name in set(most)]


def _told(choice: str) -> str:
    return choice.replace("+", " +<br>")


def plain(text: str) -> str:
    """Plotly reads a few HTML tags."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
