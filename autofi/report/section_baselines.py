"""The section that compares the winner with the baselines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autofi.report.blocks import Block, Notice, Section, Table, Text, drawing
from autofi.report.findings import Findings
from autofi.report.study_figures import StudyFigures
from autofi.text.ensemble import MEMBER_HEADING, ensemble_row, ensemble_words, member_rows
from autofi.text.markdown import count, figure
from autofi.text.verdict import alike, mean_and_deviation, read_before, untested_words, verdict

_LEVELS = {"better": "good", "tie": "quiet", "worse": "warning"}


def models_section(findings: Findings, figures: StudyFigures) -> Section:
    """Return the section: every model with its interval, the paired test of the winner, and a table."""
    summary = findings.summary
    blocks: list[Block] = []
    comparison = summary.get("comparison")
    if comparison:
        said, measured = verdict(comparison)
        blocks.append(Notice(f"{said} ({measured}).", _LEVELS[comparison["verdict"]]))
    if words := ensemble_words(summary):
        blocks.append(
            Text(f"{words} The other figures of this page are of the winner, the best single architecture.")
        )
    blocks += [Text(reason) for reason in summary.get("reasons") or ()]
    blocks.append(
        drawing(
            "models",
            figures.models,
            "Intervals are over test rows and seeds. The line above pairs both models on the same rows, so it "
            "can tell apart models whose intervals overlap.",
        )
    )
    found = (*ensemble_row(summary), summary.get("winner"), *(summary.get("baselines") or ()))
    models = [model for model in found if model]
    if models:
        models.sort(key=lambda model: -((model.get("test") or {}).get("auc") or 0.0))
        heading = (
            "model",
            "seeds",
            "valid AUC",
            "test AUC",
            "95 % interval",
            "test logloss",
            "test ECE",
            "parameters",
            "table bytes",
            "seconds",
        )
        blocks.append(Table(heading, [_row(model) for model in models]))
        once = read_before(summary.get("choice")) or "Test rows were read once, after everything was chosen."
        blocks.append(
            Text(
                f"{untested_words(summary) or once} {alike(models)} ± is the deviation between seeds; ECE is the "
                "expected calibration error; seconds are those of one training."
            )
        )
    if members := member_rows(summary):
        blocks += [Text("The members of the ensemble:"), Table(MEMBER_HEADING, members)]
    return Section("models", "Winner against baselines", blocks)


def _row(model: Mapping[str, Any]) -> list[str]:
    valid, test = model.get("valid") or {}, model.get("test") or {}
    interval = test.get("auc_interval")
    return [
        str(model["name"]),
        str(model["seeds"]),
        figure(valid.get("auc")),
        mean_and_deviation(test),
        f"{interval[0]:.4f} to {interval[1]:.4f}" if interval else "",
        figure(test.get("logloss")),
        figure(test.get("ece")),
        count(model.get("parameters")),
        count(model.get("table_bytes")),
        "" if model.get("seconds") is None else f"{model['seconds']:.1f}",
    ]
