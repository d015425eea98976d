"""The section on calibration."""

from __future__ import annotations

from functools import partial

from autofi.report.blocks import Block, Section, Text, drawing
from autofi.report.findings import PARTS, Findings
from autofi.report.study_figures import StudyFigures


def calibration_section(findings: Findings, figures: StudyFigures) -> Section:
    """Return predicted and observed click rates of test rows, or of validation rows before test rows are scored."""
    part = next((part for part in reversed(PARTS) if part in findings.held_out), "test")
    blocks: list[Block] = [
        drawing(
            "calibration",
            partial(figures.calibration, part),
            f"{part.capitalize()} rows in bins of equal weight.",
        )
    ]
    errors = [
        f"{model['name']} {error:.4f}"
        for model in (findings.summary.get("winner"), *(findings.summary.get("baselines") or ()))
        if model and (error := (model.get(part) or {}).get("ece")) is not None
    ]
    if errors:
        blocks.append(Text(f"Expected calibration error: {', '.join(errors)}."))
    return Section("calibration", "Calibration", blocks)
