"""The measured trials as a table, for optuna-dashboard."""

from __future__ import annotations

from collections.abc import Iterable

import plotly.graph_objects as go

from autofi.objectives.objectives import Direction
from autofi.plots.style import escape_plotly
from autofi.records.trial_metrics import rank
from autofi.store import TrialRecord
from autofi.text.markdown import count, figure

#: The most trials of a table.
LISTED_TRIALS = 20


def plot_trial_table(
    trials: Iterable[TrialRecord],
    *,
    objective: str,
    direction: Direction,
) -> go.Figure:
    """Return the measured trials as a table, feasible ones first, best first in each group.

    Args:
        trials: The trials.
        objective: The heading of their values.
        direction: The direction of the objective.
    """
    ranked = rank(trials, direction)[:LISTED_TRIALS]
    columns: dict[str, list[str]] = {
        "trial": [str(trial.number) for trial in ranked],
        "feasible": ["yes" if trial.feasible else "no" for trial in ranked],
        escape_plotly(objective): [figure(trial.value, 5) for trial in ranked],
        "valid logloss": [figure((trial.valid or {}).get("logloss"), 5) for trial in ranked],
        "parameters": [count(trial.parameters) for trial in ranked],
        "table bytes": [count(trial.table_bytes) for trial in ranked],
        "seconds": [figure(trial.seconds, 1) for trial in ranked],
        "architecture": [
            escape_plotly(trial.attrs.get("describe", trial.architecture_id)) for trial in ranked
        ],
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
