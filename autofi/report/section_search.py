"""The section on the course of the search: its trials, scores by inherited weights, parameters."""

from __future__ import annotations

from functools import partial

from autofi.plots.inherited_vs_scratch import rank_correlation
from autofi.report.blocks import Block, Section, Table, Text, drawing
from autofi.report.findings import Findings
from autofi.report.study_figures import StudyFigures
from autofi.report.summary_sentences import states
from autofi.text.markdown import count, figure
from autofi.text.verdict import course

#: The most trials of the table.
LISTED = 20
_STATES = {"fail": "failed"}


def searching_section(findings: Findings, figures: StudyFigures) -> Section:
    """Return the trials by number and over time, their states in words, and the best ones as a table."""
    found = ", ".join(
        f"{number} {_STATES.get(state, state)}" for state, number in sorted(states(findings).items())
    )
    sentences = [f"Trials: {found or 'none yet'}", *course(findings.summary)]
    blocks: list[Block] = [
        Text(" ".join(f"{sentence}." for sentence in sentences)),
        drawing("history", figures.history, half=True),
        drawing("history_by_time", partial(figures.history, by_time=True), half=True),
    ]
    objective = findings.goals.objectives[0]
    if findings.ranked:
        heading = (
            "trial",
            objective.label,
            "valid logloss",
            "parameters",
            "table bytes",
            "seconds",
            "architecture",
        )
        rows = [
            [
                str(trial.number),
                "" if trial.value is None else objective.told(trial.value),
                figure((trial.valid or {}).get("logloss"), 5),
                count(trial.parameters),
                count(trial.table_bytes),
                "" if trial.seconds is None else f"{trial.seconds:.1f}",
                str(trial.attrs.get("describe", trial.architecture_id)),
            ]
            for trial in findings.ranked[:LISTED]
        ]
        blocks.append(Table(heading, rows))
    return Section("search", "How the search went", blocks)


def inherited_section(findings: Findings, figures: StudyFigures) -> Section:
    """Return the architectures that were scored by inherited weights, and how well such scores predict real ones."""
    blocks: list[Block] = [
        drawing("explored", figures.explored, half=True),
        drawing("inherited", figures.inherited, half=True),
    ]
    scored = findings.twice_scored
    correlation = rank_correlation(scored)
    if correlation is not None:
        blocks.append(
            Text(
                f"Spearman's rank correlation over {len(scored)} trials is {correlation:.2f}: it is 1 where "
                "both scores "
                "put the trials in the same order. Trials also differ in sizes, training and boosted trees, which the "
                "supernet does not know."
            )
        )
    return Section("inherited", "Inherited and stand-alone scores", blocks)


def parameters_section(findings: Findings, figures: StudyFigures) -> Section:
    """Return the importances of the parameters."""
    caption = "By PED-ANOVA over all complete trials; shares add up to 100 %."
    return Section(
        "parameters", "What the values depend on", [drawing("importances", figures.importances, caption)]
    )
