"""The course of a search: every trial, the best so far, and retrained models, by number and by time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import plotly.graph_objects as go

from autofi.objectives.objectives import Objective
from autofi.plots.style import BEST, COLOURS, add_best_so_far, escape_plotly, laid_out
from autofi.space.renamed_keys import current_parameters
from autofi.store import ModelRecord, ModelRole, TrialRecord

#: The roles of models trained after the trials, with their marks.
RETRAINED = {ModelRole.FINALIST: "diamond-open", ModelRole.WINNER: "star-open"}


def plot_optimization_history(
    trials: Sequence[TrialRecord],
    objective: Objective,
    *,
    models: Sequence[ModelRecord] = (),
    by_time: bool = False,
) -> go.Figure:
    """Return the values of the complete trials, and the best within the limits so far.

    Trials have a colour per stage and variant of pairs. Further seeds of finalists and of the winner are hollow
    marks.

    Args:
        trials: The trials.
        objective: The objective whose values are drawn.
        models: The finalists and winners; each stands at the trial of its architecture, or at its own time.
        by_time: Draw over minutes since the first trial began instead of trial numbers.
    """
    done = sorted(
        (trial for trial in trials if trial.value is not None and (trial.finished or not by_time)),
        key=lambda trial: (trial.finished or datetime.max, trial.number) if by_time else trial.number,
    )
    begun = min((trial.started for trial in done if trial.started), default=None)

    def place(number: int, ended: datetime | None) -> float:
        if not by_time:
            return number
        assert ended is not None and begun is not None
        return (ended - begun).total_seconds() / 60

    drawn = go.Figure()
    kinds = list(dict.fromkeys(map(kind, done)))
    for number, name in enumerate(kinds):
        own = [trial for trial in done if kind(trial) == name]
        drawn.add_scatter(
            x=[place(trial.number, trial.finished) for trial in own],
            y=[trial.value for trial in own],
            mode="markers",
            name=escape_plotly(name),
            marker={
                "size": 7 if len(done) < 500 else 4,
                "color": COLOURS[number % len(COLOURS)],
                "opacity": 0.75,
            },
            customdata=[trial.number for trial in own],
            hovertemplate="trial %{customdata}: %{y:.5f}<extra></extra>",
        )
    numbers = {trial.architecture_id: trial.number for trial in reversed(done)}
    for role, symbol in RETRAINED.items():
        own_models = [
            (model, value)
            for model in models
            if model.role is role
            and model.architecture_id in numbers
            and (value := (model.metrics.get("valid") or {}).get(objective.name)) is not None
        ]
        if own_models:
            drawn.add_scatter(
                x=[place(numbers[model.architecture_id], model.created_at) for model, _ in own_models],
                y=[value for _, value in own_models],
                mode="markers",
                name=f"{role.value}, trained again",
                marker={"size": 9, "symbol": symbol, "color": BEST, "line": {"width": 1.5}},
                customdata=[[numbers[model.architecture_id], model.seed] for model, _ in own_models],
                hovertemplate="trial %{customdata[0]}, seed %{customdata[1]}: %{y:.5f}<extra></extra>",
            )
    steps = best_so_far(done, objective)
    add_best_so_far(
        drawn, [place(trial.number, trial.finished) for trial, _ in steps], [value for _, value in steps]
    )
    drawn.update_xaxes(title="minutes since the first trial began" if by_time else "trial", zeroline=False)
    if not by_time:
        drawn.update_xaxes(tickformat=",d", dtick=1 if len(trials) <= 10 else None)
    drawn.update_yaxes(title=objective.label, zeroline=False)
    what = "over time" if by_time else "by trial"
    return laid_out(drawn, f"{objective.label[0].upper()}{objective.label[1:]} {what}", height=360)


def best_so_far(trials: Sequence[TrialRecord], objective: Objective) -> list[tuple[TrialRecord, float]]:
    """Return, in their order, the trials at which the best value within the limits changed, and the last one."""
    steps: list[tuple[TrialRecord, float]] = []
    for trial in trials:
        if trial.value is None or not trial.feasible:
            continue
        if not steps or objective.loss(trial.value) < objective.loss(steps[-1][1]):
            steps.append((trial, trial.value))
    return [*steps, (trials[-1], steps[-1][1])] if steps else []


def kind(trial: TrialRecord) -> str:
    """Return the group of a trial: its stage, and its variant of the pairs where the proposal has several."""
    pairs = current_parameters(trial.params).get("pairs")
    return f"{trial.stage}, pairs {pairs}" if pairs else trial.stage
