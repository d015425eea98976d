"""The Pareto front: every trial by one measure against another."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import plotly.graph_objects as go

from autofi.objectives.objectives import OBJECTIVES, pareto_front
from autofi.plots.style import BEST, MAIN, OTHER, escape_plotly, laid_out
from autofi.records.trial_metrics import measure
from autofi.store import TrialRecord

#: Hovering shows the architecture of so many trials at most, and of all trials on the front.
DESCRIBED = 2_000


def plot_pareto_front(trials: Sequence[TrialRecord], cost: str, *, gain: str, study: str) -> go.Figure:
    """Return complete trials by `gain` against `cost`, with the Pareto front; trials that lack one are left out.

    Hovering over a point of the front also shows the command that exports it.

    Args:
        trials: The trials.
        cost: A name of `autofi.objectives.OBJECTIVES`, on the x axis.
        gain: A name of `autofi.objectives.OBJECTIVES`, on the y axis.
        study: The name of the study, for the command.
    """
    found = [
        (trial, of, at)
        for trial in trials
        if (of := measure(trial, gain)) is not None and (at := measure(trial, cost)) is not None
    ]
    values, costs = [of for _, of, _ in found], [at for _, _, at in found]
    directions = [OBJECTIVES[gain].direction, OBJECTIVES[cost].direction]
    points = [list(pair) for pair in zip(values, costs, strict=True)]
    front: list[bool] = pareto_front(points, directions).tolist() if points else []
    label, unit = OBJECTIVES[gain].label, OBJECTIVES[cost].label
    drawn = go.Figure()
    for on_front, name, colour, size in ((False, "trials", OTHER, 6), (True, "front", BEST, 10)):
        shown = [point for point, kept in zip(found, front, strict=True) if kept is on_front]
        shown.sort(key=lambda point: point[2])
        drawn.add_scatter(
            x=[at for _, _, at in shown],
            y=[of for _, of, _ in shown],
            mode="lines+markers" if on_front else "markers",
            line={"shape": "hv", "width": 1, "color": colour},
            marker={
                "size": size,
                "color": [colour if trial.feasible else "rgba(0,0,0,0)" for trial, _, _ in shown],
                "line": {"width": 1, "color": MAIN if not on_front else colour},
            },
            name=name,
            text=[
                _told(trial, study, command=on_front)
                if on_front or place < DESCRIBED
                else f"trial {trial.number}"
                for place, (trial, _, _) in enumerate(shown)
            ],
            hovertemplate=f"%{{text}}<br>{label} %{{y:.5f}}<br>{unit} %{{x:,.4s}}<extra></extra>",
        )
    wide = bool(costs) and min(costs) > 0 and max(costs) > 20 * min(costs)
    drawn.update_xaxes(
        title=unit + (", each step tenfold" if wide else ""), type="log" if wide else "linear", zeroline=False
    )
    if wide:
        drawn.update_xaxes(dtick=1, exponentformat="SI")
    drawn.update_yaxes(title=label, zeroline=False)
    return laid_out(drawn, f"{label[0].upper()}{label[1:]} against {unit}", height=380)


def _told(trial: TrialRecord, study: str, *, command: bool) -> str:
    told = f"trial {trial.number}: {escape_plotly(trial.attrs.get('describe', trial.architecture_id))}"
    if not trial.feasible:
        told += "<br>beyond a limit"
    if command:
        told += (
            f"<br><b>autofi export {escape_plotly(shlex.quote(study))} --trial {trial.number} -o model</b>"
        )
    return told
